"""A run launched as Dagster's daemon does it: its own launcher, with docker/dagster.yaml, against any Docker API."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster_docker import DockerRunLauncher

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "bionicpro-assets:0.1.0"
RUN = "0851fed8-9323-4d07-9e95-d1c0d1bcf6a1"
JOB = "bionicpro_reports_etl"
DATABASE = {"DAGSTER_POSTGRES_HOST": "dagster_db", "DAGSTER_POSTGRES_DB": "dagster", "DAGSTER_POSTGRES_USER": "dagster"}
# Not `import docker`: type checkers take this project's folder docker/ for it.
docker: Any = importlib.import_module("docker")


class Daemon:
    """Dagster's launcher, and what it tells Dagster's instance."""

    def __init__(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        self.tags: dict[str, str] = {}
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        for name, value in (DATABASE | {"STACK_IMAGE": IMAGE}).items():
            monkeypatch.setenv(name, value)
        config = yaml.safe_load((ROOT / "docker/dagster.yaml").read_text())["run_launcher"]["config"]
        processed = process_config(DockerRunLauncher.config_type(), config)
        self.launcher = DockerRunLauncher.from_config_value(None, processed.value)  # type: ignore[arg-type]
        monkeypatch.setattr(DockerRunLauncher, "_instance", self)

    def launch(self, job: str = JOB, run: str = RUN, **container_context: Any) -> None:
        origin = JobPythonOrigin(
            job,
            RepositoryPythonOrigin(
                "/opt/venv/bin/python",
                ModuleCodePointer("bionicpro_assets.definitions", "defs", "/opt/dagster"),
                container_image=IMAGE, entry_point=["dagster"], container_context={},
            ),
        )  # fmt: skip
        context = SimpleNamespace(dagster_run=dg.DagsterRun(job_name=job, run_id=run), job_code_origin=origin)
        self.launcher.launch_run(context)  # type: ignore[arg-type]

    # What the launcher asks of its instance.

    def get_ref(self) -> InstanceRef:
        return InstanceRef.from_dir(str(ROOT / "docker"))

    def report_engine_event(self, message: str, *_: Any, **__: Any) -> None:
        self.events.append(message)

    def report_run_canceling(self, *_: Any) -> None:
        self.events.append("canceling")

    def add_run_tags(self, _: str, tags: dict[str, str]) -> None:
        self.tags |= tags

    def get_run_by_id(self, run: str) -> dg.DagsterRun:
        return dg.DagsterRun(job_name=JOB, run_id=run, tags=self.tags, status=dg.DagsterRunStatus.STARTED)
