"""The demo with its web UI, as `bionicpro up` starts it, and Chromium in front of it."""

import json
import os
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

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

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


@dataclass(frozen=True)
class Ui:
    """A running UI: where it is, the demo's folder, and what nobody should find in it."""

    url: str
    folder: Path
    personal: list[str]

    def graphql(self, query):
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]


def bionicpro(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [BIONICPRO, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("BIONICPRO_", "ETL_", "DAGSTER_"))}


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    with folder_for_postgres() as made:
        yield made


@pytest.fixture(scope="session")
def ui(folder: Path) -> Iterator[Ui]:
    bionicpro(folder, "demo", "--hours", "3")
    # Asked before the UI runs: the embedded engine serves one process at a time.
    people = bionicpro(
        folder, "query", "SELECT DISTINCT customer_name, customer_email FROM reports.user_prosthesis_stats", "--json"
    )
    personal = [value for line in people.splitlines() for value in json.loads(line).values()]
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
        yield Ui(f"http://127.0.0.1:{port}", folder, personal)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert status == 0, log.read_text()


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the UI didn't start: {log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("these tests need Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request, tmp_path) -> Iterator[Page]:
    """A new window; its picture is kept in the folder SCREENSHOTS, or in the test's own."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{request.node.name}.png")
    context.close()
    assert errors == []
