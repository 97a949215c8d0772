"""A stack of docker-compose.yml as a test drives it: its own folder, its own passwords, the real Docker engine."""

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.message import Message
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from bionicpro_assets.days import day_key
from bionicpro_assets.defs.keys import DAILY_JOB, JOB
from bionicpro_assets.hours import floor_hour, partition_key
from bionicpro_assets.runs import RANGE_END_TAG, RANGE_START_TAG

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
SHIPPED = ["docker-compose.yml", ".dockerignore", "docker", "sql", "bionicpro_assets", "pyproject.toml", "workspace.yaml",
           "dagster.yaml", "requirements.lock"]  # fmt: skip
STAND_INS = {"nginx:1.28-bookworm": "nginx", "clickhouse/clickhouse-server:26.8": "clickhouse"}
ENGINE_PACKAGES = ("chdb", "chdb-core", "lz4", "backports.zstd")
LABEL = "bionicpro.stand-in"
RUN_LABEL = "bionicpro.run=true"
# What became healthy when, at the first start; in the stack's folder.
HEALTH = "health.events"
HEALTH_LINE = '{{.TimeNano}} {{index .Actor.Attributes "com.docker.compose.service"}} {{.Status}}'
# Services that run once at every start, and end.
ONCE = {"configure", "clickhouse_init", "migrate", "metrics_role"}
SERVICES = 16
# Limits are for an idle machine with two cores. What is waited for ends the waiting: more costs time in a failure only.
PATIENCE = 4

LAUNCH = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"""
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
RUNS = """{ runsOrError(limit: 200) { ... on Runs { results { runId status rootRunId tags { key value } } } } }"""


class StackError(AssertionError):
    """A command of Docker's failed; its output is the message."""


def docker(*arguments: str, cwd: Path | None = None, check: bool = True, timeout: float = 600 * PATIENCE) -> str:
    done = subprocess.run(["docker", *arguments], cwd=cwd, text=True, capture_output=True, timeout=timeout)  # fmt: skip
    if check and done.returncode:
        raise StackError(f"docker {' '.join(arguments)}: {done.stderr[-3000:]}{done.stdout[-1000:]}")
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Answer:
    """What a door answered."""

    status: int
    headers: Message
    body: Any


@dataclass(frozen=True)
class Stack:
    """A stack in a folder.

    Attributes:
        folder: Where its copy of the shipped files and its config/ are.
        passwords: Of the users `operator` and `viewer`.
        overrides: Compose files that apply besides the shipped one.
        environment: What Compose is told besides.
    """

    folder: Path
    passwords: dict[str, str]
    overrides: tuple[Path, ...]
    environment: dict[str, str]

    @classmethod
    @contextmanager
    def set_up(cls, folder: Path) -> Iterator[Self]:
        """The shipped files and fresh passwords in `folder`; whatever was started is removed at the end."""
        if docker("ps", "--quiet", "--filter", "label=com.docker.compose.project=bionicpro").strip():
            raise StackError("A stack is running on this machine already; the trial would share its names.")
        for name in SHIPPED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        # The stand-in for ClickHouse knows one password; what the set-up finds, it keeps.
        (folder / "config/clickhouse").mkdir(parents=True)
        one = secrets.token_hex(24)
        for name in ("etl_password", "administrator_password", "metrics_password"):
            (folder / "config/clickhouse" / name).write_text(f"{one}\n")
        told = subprocess.run(
            [folder / "docker/setup.sh", "--sources"], text=True, capture_output=True, check=True
        ).stdout
        passwords = dict(re.findall(r"log in as (\w+) with the password (\w+)", told))
        # For each image that this machine neither has nor can fetch, the one that stands for it.
        stand_ins = [STAND_INS[image] for image in STAND_INS if _needs_stand_in(image)]
        environment = {"STACK_CLICKHOUSE_CPUS": str(min(4, os.cpu_count() or 1)), "COMPOSE_PROFILES": "sources"}
        stack = cls(folder, passwords, (HERE / "stand_ins.yml",) if "clickhouse" in stand_ins else (), environment)
        try:
            yield stack
        finally:
            stack.compose("down", "--volumes", "--timeout", "5", check=False)
            if runs := stack.run_containers(everything=True):
                docker("rm", "--force", *runs)
            stack.compose("down", "--volumes", "--timeout", "5", check=False)

    def compose(self, *arguments: str, check: bool = True) -> str:
        files = [
            argument for file in ("docker-compose.yml", *map(str, self.overrides)) for argument in ("--file", file)
        ]
        done = subprocess.run(
            ["docker", "compose", *files, *arguments],
            cwd=self.folder, env={**os.environ, **self.environment}, text=True, capture_output=True,
        )  # fmt: skip
        if check and done.returncode:
            raise StackError(f"docker compose {' '.join(arguments)}: {done.stderr[-3000:]}{done.stdout[-1000:]}")
        return done.stdout + done.stderr

    def up(self) -> None:
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout", f"{300 * PATIENCE}")
        except StackError as error:
            bad = [s for s, c in self.services().items() if c["ExitCode"] or c["Health"] == "unhealthy"]
            logs = self.compose("logs", "--no-color", "--tail", "20", *bad, check=False) if bad else ""
            raise StackError(f"{error}\n{logs}") from None

    def up_again(self) -> None:
        """Have every service at work, if one isn't, and the operators' door know the jobs."""
        services = self.services()
        well = [c for s, c in services.items() if (c["ExitCode"] == 0 if s in ONCE else c["Health"] == "healthy")]
        if len(well) < SERVICES:
            self.up()
        # A web server that outlived the code server finds the new one by itself, a moment after it is healthy.
        wait_for("the code location", self.knows_the_jobs, seconds=60)

    def knows_the_jobs(self) -> bool:
        (entry,) = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return bool(entry["locationOrLoadError"]["__typename"] == "RepositoryLocation")

    def script(self, name: str, *arguments: str) -> str:
        """One of the scripts in docker/, which find the overrides by Compose's own variables."""
        files = {"COMPOSE_FILE": ":".join(["docker-compose.yml", *map(str, self.overrides)])}
        done = subprocess.run(
            [self.folder / "docker" / name, *arguments],
            cwd=self.folder, env={**os.environ, **self.environment, **files}, text=True, capture_output=True,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"{name}: {done.stderr[-3000:]}{done.stdout[-1000:]}")
        return done.stdout

    def shell(self, command: str) -> str:
        """What an operator types, in the stack's folder; what it prints, whatever its status."""
        files = {"COMPOSE_FILE": ":".join(["docker-compose.yml", *map(str, self.overrides)])}
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env={**os.environ, **self.environment, **files}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=900 * PATIENCE,
        )  # fmt: skip
        return done.stdout

    def services(self) -> dict[str, dict[str, Any]]:
        """State of every container of Compose's, by service."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {c["Service"]: c for line in lines if line.startswith("{") for c in [json.loads(line)]}

    def run_containers(self, *, everything: bool = False) -> list[str]:
        """Containers of runs: those at work, or all there are."""
        return docker("ps", "--quiet", *(["--all"] if everything else []), "--filter", f"label={RUN_LABEL}").split()

    def bionicpro(self, *arguments: str) -> str:
        """The command, in the container of the code."""
        return self.compose("exec", "--no-TTY", "code", "bionicpro", *arguments)

    def inside(self, service: str, script: str, said: str = "") -> str:
        """What a Python script prints in a service's container; `said` is its standard input."""
        done = subprocess.run(
            ["docker", "exec", "--interactive", self.services()[service]["ID"], "python", "-c", script],
            input=said, text=True, capture_output=True, timeout=600 * PATIENCE, check=False,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"{service}: {done.stderr[-3000:]}")
        return done.stdout

    def launcher_body(self) -> list[bytes]:
        """What the daemon asks of Docker for a run: its own launcher, in its container, and a listener for Docker."""
        return [
            base64.b64decode(line)
            for line in self.inside("dagster_daemon", (HERE / "launcher_body.py").read_text()).splitlines()
        ]

    def crash(self, service: str) -> None:
        """Kill everything in a container from inside: the engine takes it for a crash, not for a wish."""
        if service == "docker_gate":
            # It is the container's first process, which nobody inside can kill; and root there mayn't even ask it to end.
            end = ["python", "-c", "import os; os.kill(1, 15)"]
            docker("exec", "--user", "10001", self.services()[service]["ID"], *end)
            return
        script = "import os; [os.kill(int(p), 9) for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]"
        self.compose("exec", "--no-TTY", service, "python", "-c", script, check=False)

    def door(self, who: str | None, path: str = "/server_info", *, port: int = 3000, **options: Any) -> Answer:
        """A request to one of the doors; `query` makes it GraphQL."""
        headers = options.get("headers", {})
        if who:
            credentials = f"{who}:{options.get('password') or self.passwords[who]}"
            headers |= {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
        data = None
        if "query" in options:
            data = json.dumps({"query": options["query"], "variables": options.get("variables", {})}).encode()
            headers |= {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{options.get('scheme', 'http')}://127.0.0.1:{port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=120, context=options.get("context")) as response:
                body = response.read()
                is_json = response.headers.get_content_type() == "application/json"
                return Answer(response.status, response.headers, json.loads(body) if is_json else body)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL as the operator."""
        answer = self.door("operator", "/graphql", query=query, variables=variables)
        if answer.status != 200 or answer.body.get("errors"):
            raise StackError(f"{answer.status}: {answer.body}")
        return answer.body["data"]

    def launch(self, first: datetime, last: datetime) -> str:
        """A run of the job over the hours; its number."""
        return self._launch(JOB, partition_key(first), partition_key(last))

    def launch_day(self, day: date) -> str:
        """A run of the day's job; its number."""
        return self._launch(DAILY_JOB, day_key(day), day_key(day))

    def _launch(self, job: str, first: str, last: str) -> str:
        tags = {RANGE_START_TAG: first, RANGE_END_TAG: last}
        selector = {
            "repositoryLocationName": "bionicpro_assets",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        params = {
            "selector": selector,
            "mode": "default",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise StackError(str(launched))
        return str(launched["run"]["runId"])

    def status(self, run: str) -> str:
        return str(self.ask(STATUS, id=run)["runOrError"]["status"])

    def runs(self) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return [r | {"tags": {t["key"]: t["value"] for t in r["tags"]}} for r in results]

    def secrets(self) -> list[str]:
        """Every password of this stack, and nothing else."""
        files = [f for f in (self.folder / "config").rglob("*") if f.is_file()]
        found = {word for f in files for word in re.findall(r"\b[0-9a-f]{48}\b", f.read_text())}
        return sorted(found | set(self.passwords.values()))


def wait_for(what: str, ready: Callable[[], Any], *, seconds: float = 180) -> Any:
    """The first answer of `ready` that is true; errors of a service that is away are waited out."""
    deadline, last = time.monotonic() + seconds * PATIENCE, None
    while time.monotonic() < deadline:
        try:
            if answer := ready():
                return answer
        except (OSError, StackError) as error:
            last = error
        time.sleep(1)
    raise StackError(f"{what} didn't happen within {seconds * PATIENCE:.0f} s. {last or ''}")


def last_hours(count: int) -> tuple[datetime, datetime]:
    now = floor_hour(datetime.now(UTC))
    return now - timedelta(hours=count), now


def load(stack: Stack, hours: int = 3, seconds: float = 300) -> str:
    """A run of the job by itself, which must go well."""
    # The first request after a database was restarted may meet a connection that isn't one any more.
    run = str(wait_for("a launch", lambda: stack.launch(*last_hours(hours)), seconds=60))
    assert wait_for("the run's end", lambda: ended(stack, run), seconds=seconds) == "SUCCESS"
    return run


def ended(stack: Stack, run: str) -> str | None:
    status = stack.status(run)
    return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None


def agree(stack: Stack, first: datetime, last: datetime) -> None:
    """Hold the mart against the sources, row by row; the open hour moves, and is left out."""
    last = min(last, floor_hour(datetime.now(UTC)) - timedelta(hours=1))
    said = stack.bionicpro("verify", "--from", f"{first:%Y-%m-%dT%H:%M}", "--to", f"{last:%Y-%m-%dT%H:%M}")
    assert "rows are what the sources give" in " ".join(said.split())


def _needs_stand_in(image: str) -> bool:
    """Whether the image had to be built here."""
    have = docker("images", "--quiet", image).strip()
    if have and LABEL not in docker("inspect", "--format", "{{json .Config.Labels}}", image):
        return False
    if not have and "rror" not in docker("pull", "--quiet", image, check=False):
        return False
    _build(image, STAND_INS[image])
    return True


def _build(image: str, stand_in: str) -> None:
    context = HERE.parents[1] / "gateway" if stand_in == "clickhouse" else HERE / "stand_ins"
    packages = " ".join(f"{name}=={version(name)}" for name in ENGINE_PACKAGES)
    docker(
        "build", "--quiet", "--tag", image, "--label", f"{LABEL}=true", "--build-arg", f"PACKAGES={packages}",
        "--file", str(HERE / "stand_ins" / f"{stand_in}.Dockerfile"), str(context), timeout=1200,
    )  # fmt: skip
