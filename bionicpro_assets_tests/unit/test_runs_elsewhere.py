"""Loading hours where Dagster has its runs in containers: `bionicpro materialize`, and the script in place of it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from bionicpro_assets.cli.materialize import run_materialize
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.operator_jobs import filled_in_form
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.settings import Settings

LAUNCHER = {"module": "dagster_docker", "class": "DockerRunLauncher", "config": {"image": "bionicpro-assets:0.1.0"}}


def test_it_says_where_to_ask_for_hours_instead(tmp_path, monkeypatch):
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"run_launcher": LAUNCHER}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    for name in ("CRM_DB", "TELEMETRY_DB"):
        monkeypatch.setenv(f"BIONICPRO_{name}_URL", "postgresql://etl@nowhere/db")
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "http://etl@nowhere:8123/reports")
    with pytest.raises(PlatformError, match=r"DockerRunLauncher: .* docker/load\.sh FIRST LAST"):
        run_materialize(None, None, datetime(2026, 11, 24, 8, tzinfo=UTC))
    assert not (tmp_path / "locks").exists()


def test_the_script_fills_the_form_of_the_job_in(clean_environment):
    script = (Path(__file__).resolve().parents[2] / "docker" / "load.sh").read_text(encoding="utf-8")
    (given,) = re.findall(r'--config-json "(.*)" >', script)
    config = json.loads(given.replace('\\"', '"').replace("$1", "2026-11-24T08:00").replace("$2", "2026-11-24T12:00"))
    assert f"--job {keys.LOAD_JOB} " in script
    with dg.instance_for_test():
        url = "postgresql://nobody@nowhere/none"
        settings = Settings(
            BIONICPRO_CRM_DB_URL=url, BIONICPRO_TELEMETRY_DB_URL=url, BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere"
        )
        job = build_definitions(settings).resolve_job_def(keys.LOAD_JOB)
        checked = dg.validate_run_config(job, config)
    assert checked["ops"]["period_to_load"]["config"] == config == {
        "first_hour": "2026-11-24T08:00",
        "last_hour": "2026-11-24T12:00",
    }  # fmt: skip
    assert filled_in_form(config) == config


def test_a_form_that_waited_through_an_upgrade_is_read_as_it_was_filled_in():
    old = {"ops": {"wearers_to_correct": {"config": {"first_hour": "2026-11-24T08:00", "chips": ["CHIP-000001"]}}}}
    assert filled_in_form(old) == {"first_hour": "2026-11-24T08:00", "chips": ["CHIP-000001"]}
    assert filled_in_form({}) == {}
