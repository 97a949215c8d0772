"""docs/use-from.md: every snippet is run, and gives what the sources have."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.e2e.documents import Block, blocks
from bionicpro_assets_tests.gateway.fixtures import PASSWORD, RunningGateway, running_gateway
from bionicpro_assets_tests.integration.conftest import configure, fresh_sources
from bionicpro_assets_tests.integration.reporting import open_hour
from bionicpro_assets_tests.publishing import publish_window

SNIPPETS = list(blocks("docs/use-from.md"))
PYTHON = [block for block in SNIPPETS if block.language == "python"]
ADDRESS = "http://analyst:password@clickhouse:8123/reports"
MOVEMENTS = [10, 20, 30]


def of_language(language: str) -> list[Block]:
    return [block for block in SNIPPETS if block.language == language]


@pytest.fixture(scope="module")
def made(postgres_server, tmp_path_factory) -> Iterator[tuple[Path, Any, list[datetime]]]:
    """Three hours of one prosthesis in the embedded engine of a folder."""
    folder = tmp_path_factory.mktemp("use from")
    with fresh_sources(postgres_server) as sources:
        hours = [open_hour() - n * HOUR for n in (3, 2, 1)]
        sources.add_wearer("C1", "user_0005")
        for hour, movements in zip(hours, MOVEMENTS, strict=True):
            sources.add_hour("C1", hour, movements_count=movements)
        with ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
            apply_clickhouse_schema(clickhouse)
            publish_window(sources.crm, sources.telemetry, clickhouse, hours, run_id="use", batch_size=10_000)
        yield folder, sources, hours


@pytest.fixture(scope="module")
def server(made) -> Iterator[RunningGateway]:
    with running_gateway(made[0] / "clickhouse") as gateway:
        yield gateway


def test_from_the_embedded_engine(made, clean_environment, monkeypatch, tmp_path):
    folder, sources, _ = made
    configure(monkeypatch, sources, folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    names: dict[str, Any] = {}
    for block in PYTHON[:2]:
        exec("\n".join(block.lines), names)
        assert names["days"]["movements_count"].sum() == sum(MOVEMENTS)
    (shell,) = of_language("sh")
    subprocess.run(["bash", "-c", "\n".join(shell.lines)], cwd=tmp_path, check=True)
    assert names["pd"].read_parquet(tmp_path / "days.parquet")["movements_count"].sum() == sum(MOVEMENTS)


def test_from_a_server(server):
    names: dict[str, Any] = {}
    connect, frame, arrow, plot = PYTHON[2:]
    text = "\n".join(connect.lines)
    assert ADDRESS in text
    exec(text.replace(ADDRESS, server.url()), names)
    assert sum(movements for _, movements in names["movements"]) == sum(MOVEMENTS)
    for block in (frame, arrow):
        exec("\n".join(block.lines), names)
        assert names["days"]["movements_count"].sum() == sum(MOVEMENTS)
        assert set(names["days"]["user_id"]) == {"user_0005"}
    exec("\n".join(plot.lines), names)
    assert names["axes"].get_ylabel() == "Success rate, %"


def test_from_a_shell(server):
    curl = next("\n".join(b.lines) for b in of_language("text") if b.lines[0].startswith("curl"))
    command = curl.replace("analyst:password", f"etl:{PASSWORD}")
    command = command.replace("http://clickhouse:8123", f"http://127.0.0.1:{server.port}")
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
    assert int(answer) >= 1


def test_in_grafana(server):
    (source,) = of_language("yaml")
    (described,) = yaml.safe_load("\n".join(source.lines))["datasources"]
    assert described["jsonData"]["defaultDatabase"] == "reports"
    panel = next("\n".join(b.lines) for b in of_language("text") if b.lines[0].startswith("SELECT"))
    panel = panel.replace("$__fromTime", "toDateTime('2020-01-01 00:00:00')").replace(
        "$__toTime", "toDateTime('2099-01-01 00:00:00')"
    )
    assert not re.search(r"\$__", panel)
    with ClickHouse(server.url()) as clickhouse:
        names, rows = clickhouse.rows(panel)
    assert list(names) == ["time", "movements", "success_rate"]
    assert sum(row[1] for row in rows) == sum(MOVEMENTS)
