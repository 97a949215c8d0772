"""`bionicpro materialize` where Dagster has its runs in containers."""

from datetime import UTC, datetime

import pytest
import yaml

from bionicpro_assets.cli.materialize import run_materialize
from bionicpro_assets.errors import PlatformError

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
