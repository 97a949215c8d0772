"""The embedded engine serves one process at a time; the others wait for it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import ClickHouse

HOLD = """
import sys
from bionicpro_assets.load.clickhouse import ClickHouse
with ClickHouse(sys.argv[1]) as clickhouse:
    clickhouse.rows("SELECT 1")
    print("has it", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_process(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the engine until it reads a line, or is killed."""
    command = [sys.executable, "-W", "ignore", "-c", HOLD, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "has it\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def url(tmp_path) -> str:
    return f"chdb://{tmp_path}/clickhouse"


def test_an_engine_that_another_process_has_is_waited_for(url):
    with another_process(url) as other:
        assert other.stdin is not None
        # It lets go 1 s after it is told to, by a shell that tells it then.
        teller = subprocess.Popen(["sh", "-c", "sleep 1; echo"], stdout=other.stdin)
        began = time.monotonic()
        with ClickHouse(url) as clickhouse:
            assert clickhouse.rows("SELECT 1")[1] == [(1,)]
        assert time.monotonic() - began > 0.9
        teller.wait()


def test_an_engine_that_stays_in_use_is_an_error_that_says_so_and_may_pass(url, caplog):
    with another_process(url) as other, ClickHouse(url, engine_wait_seconds=0.3) as clickhouse:
        with pytest.raises(ClickHouseError, match="is in use by another process, and serves one at a time") as caught:
            clickhouse.rows("SELECT 1")
        assert caught.value.retryable
    (said,) = [record.getMessage() for record in caplog.records]
    assert (
        said
        == f"Waiting for a command (process {other.pid}), which has the embedded ClickHouse engine; for at most 0 s."
    )


def test_the_engine_of_a_killed_process_is_free(url):
    with another_process(url) as other:
        other.kill()
        other.wait()
        with ClickHouse(url, engine_wait_seconds=0) as clickhouse:
            assert clickhouse.rows("SELECT 1")[1] == [(1,)]


def test_an_engine_that_does_not_start_is_no_engine_in_use(tmp_path):
    (tmp_path / "clickhouse").write_text("a file where the folder should be")
    clickhouse = ClickHouse(f"chdb://{tmp_path}/clickhouse")
    with pytest.raises(ClickHouseError, match="can't be reached") as caught:
        clickhouse.rows("SELECT 1")
    assert "in use" not in str(caught.value)
