"""The demo with its web UI, as `bionicpro up` starts it, and Chromium in front of it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bionicpro_assets_tests.folders import folder_for_postgres

BIONICPRO = Path(sys.executable).parent / "bionicpro"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000  # milliseconds: the first page after the start is slow on a small machine
# Half a day: whatever the time is now, the fleet was awake in some of it.
HOURS = 12
PEOPLE = "SELECT DISTINCT user_id, customer_name, customer_email FROM reports.user_prosthesis_stats"
COLUMNS = (
    "SELECT name FROM system.columns WHERE database = 'reports' AND table = 'user_prosthesis_stats' ORDER BY position"
)
# The demo's hours, oldest first, as the keys of partitions; the last was open when the demo was made.
LOADED = """SELECT DISTINCT formatDateTime(hour_start, '%Y-%m-%d-%H:00', 'UTC') AS hour
FROM staging.crm_customer_prosthesis ORDER BY 1"""
# Of every hour that was over then and has rows, a number that any changed value of any row would change.
CONTENT = """SELECT concat(toString(report_date), '-', leftPad(toString(report_hour), 2, '0'), ':00') AS hour,
    count() AS n, sum(movements_count) AS movements, groupBitXor(cityHash64(* EXCEPT (etl_processed_at))) AS content
FROM reports.user_prosthesis_stats GROUP BY 1 HAVING hour < '%s' ORDER BY 1"""


@dataclass(frozen=True)
class Ui:
    """A running UI: where it is, the demo's folder, and what the mart held before it ran.

    `personal` is what nobody should read in it, `columns` are the mart's. `closed` are the partition keys of the hours
    that were over when the demo was made, oldest first, and `busiest` is the one of them with the most rows.
    """

    url: str
    folder: Path
    personal: list[str]
    columns: list[str]
    closed: list[str]
    busiest: str

    def graphql(self, query: str) -> dict[str, Any]:
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)["data"]
        return found


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("BIONICPRO_", "ETL_", "DAGSTER_"))}


def bionicpro(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [BIONICPRO, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(folder: Path, query: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bionicpro(folder, "query", query, "--json").splitlines()]


def shot(page: Page, name: str, part: Any = None) -> None:
    """Keep a picture of the page, in the folder SCREENSHOTS or in the test's own; of its part x, y, width, height."""
    folder = Path(os.environ.get("SCREENSHOTS", "."))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / (re.sub(r"\W+", "-", name).strip("-") + ".png"), clip=part)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    with folder_for_postgres() as made:
        yield made


@pytest.fixture(scope="session")
def ui(folder: Path) -> Iterator[Ui]:
    bionicpro(folder, "demo", "--days", "0", "--hours", str(HOURS))
    # Asked before and after the UI runs: the embedded engine serves one process at a time.
    personal = [value for row in ask(folder, PEOPLE) for value in row.values()]
    columns = [row["name"] for row in ask(folder, COLUMNS)]
    *closed, opened = [row["hour"] for row in ask(folder, LOADED)]
    assert len(closed) == HOURS
    content = ask(folder, CONTENT % opened)
    busiest = max(content, key=lambda row: row["n"])["hour"]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIONICPRO, "up", "--port", str(port)],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", process, log)
        yield Ui(f"http://127.0.0.1:{port}", folder, personal, columns, closed, busiest)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    assert status == 0, log.read_text()
    assert ask(folder, CONTENT % opened) == content, "what ran under the UI changed hours that were closed before"


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the UI didn't answer within 90 s: {log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("these tests need Chromium; on Debian: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS, headless=True)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request) -> Iterator[Page]:
    """A window that has seen nothing yet. No script may fail in it; the last picture has the test's name."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    shot(page, request.node.name)
    context.close()
    assert errors == []
