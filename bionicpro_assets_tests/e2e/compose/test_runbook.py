"""The runbook of docs/operating.md: each symptom is brought about, and its commands are run as they stand there.

What a command prints must hold the documented lines, in their order; `…` in them is anything. The hours in them are
replaced by those of the trial.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.hours import floor_hour
from bionicpro_assets_tests.e2e.compose.stack import ROOT, Stack, agree, ended, last_hours, wait_for

pytestmark = pytest.mark.docker
TEXT = (ROOT / "docs/operating.md").read_text(encoding="utf-8").partition("## By symptom")[2].partition("\n## ")[0]
SCHEDULE = "bionicpro_reports_etl_every_15_minutes"
SMALL = """
services: {clickhouse: {volumes: !override ["clickhouse_small:/var/lib/clickhouse"]}}
volumes: {clickhouse_small: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=64m,uid=101,gid=101"}}}
"""
TAMPER = """
import sys
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.settings import Settings
with ClickHouse(Settings.load().secret("BIONICPRO_CLICKHOUSE_URL")) as clickhouse:
    chip = clickhouse.rows(f"SELECT min(chip_id) FROM storage.user_prosthesis_stats WHERE hour_start = {sys.argv[1]}")[1][0][0]
    clickhouse.command("ALTER TABLE storage.user_prosthesis_stats UPDATE movements_count = movements_count + 1000 "
                       f"WHERE hour_start = {sys.argv[1]} AND chip_id = '{chip}' SETTINGS mutations_sync = 1")
"""
BACKFILL = """mutation ($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATUS = (
    "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
)
HOURLY = [["telemetry", "hourly_stats"], ["staging", "crm_customer_prosthesis"], ["staging", "hourly_telemetry"],
          ["reports", "user_prosthesis_stats"], ["quarantine", "rejected_telemetry"]]  # fmt: skip


def documented() -> dict[str, list[tuple[str, list[str]]]]:
    """Commands and the lines that they print, by symptom; those before the first symptom under ''."""
    found = {}
    for part in re.split(r"^### ", "\n" + TEXT, flags=re.MULTILINE):
        title = part.partition("\n")[0].strip()
        blocks = "".join(re.findall(r"```console\n(.*?)```", part, re.DOTALL))
        commands = re.split(r"^\$ ", blocks, flags=re.MULTILINE)[1:]
        found[title] = [(c.partition("\n")[0], c.partition("\n")[2].splitlines()) for c in commands]
    return {title: commands for title, commands in found.items() if commands}


RUNBOOK = documented()
done: set[tuple[str, int]] = set()


class Page:
    """The commands of one symptom, in their order."""

    def __init__(self, stack: Stack, symptom: str, hours: tuple[datetime, datetime] | None = None) -> None:
        self.stack, self.symptom, self.hours, self.next = stack, symptom, hours, 0

    def follow(self, command: str, *, seconds: float = 60) -> str:
        """Run the next command, which begins so, until it prints what the page says; what it printed."""
        typed, lines = RUNBOOK[self.symptom][self.next]
        assert typed.startswith(command), f"the page says: {typed}"
        done.add((self.symptom, self.next))
        self.next += 1
        typed, lines = self._of_trial(typed), [self._of_trial(line) for line in lines]
        printed: list[str] = []

        def fits() -> bool:
            printed.append(_plain(self.stack.shell(typed)))
            return re.search(".*?".join(map(_pattern, lines)), printed[-1]) is not None

        wait_for(f"$ {typed}\n" + "\n".join(lines), fits, seconds=seconds)
        return printed[-1]

    def _of_trial(self, text: str) -> str:
        if self.hours is None:
            return text
        first, last = self.hours
        for hour, there in (("08:00", first), ("12:00", last)):
            text = text.replace(f"2026-11-24T{hour}", f"{there:%Y-%m-%dT%H:%M}")
            text = text.replace(f"2026-11-24 {hour}", f"{there:%Y-%m-%d %H:%M}")
        # The end of a range names its day only where it is another.
        return text.replace("12:00 UTC", f"{last:%H:%M} UTC")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _pattern(line: str) -> str:
    return ".*?".join(re.escape(_plain(piece)) for piece in line.split("…"))


def after(stack: Stack, first: datetime, last: datetime, *, seconds: float = 420) -> None:
    """Have the hours loaded, and hold the mart against the sources."""
    run = str(wait_for("a launch", lambda: stack.launch(first, last), seconds=60))
    assert wait_for("the run's end", lambda: ended(stack, run), seconds=seconds) == "SUCCESS"
    agree(stack, first, last)


@contextmanager
def instead(stack: Stack, away: Callable[[], object], back: Callable[[], object]) -> Iterator[None]:
    """A symptom, which is over at the end whatever happens."""
    away()
    try:
        yield
    finally:
        back()


def sql(stack: Stack, statement: str) -> None:
    stack.compose("exec", "--no-TTY", "crm_db", "psql", "-qtX", "-U", "postgres", "-d", "crm_db", "-c", statement)


def test_a_healthy_platform(stack):
    after(stack, *last_hours(3))
    Page(stack, "").follow("docker compose exec code bionicpro doctor")


def test_the_daemon_is_stopped(stack):
    page = Page(stack, "The schedule doesn't fire")
    with instead(stack, lambda: stack.compose("stop", "dagster_daemon"), stack.up):
        page.follow("docker compose ps --all dagster_daemon")
        page.follow("docker compose up", seconds=300)
    after(stack, *last_hours(3))


def test_the_schedule_is_switched_off(stack):
    page = Page(stack, "The schedule doesn't fire")
    page.next = 2
    switch = f"dagster schedule stop --workspace /app/docker/workspace.yaml --location bionicpro_assets {SCHEDULE}"
    stack.shell(f"docker compose exec dagster_daemon entrypoint.sh {switch}")
    page.follow("docker compose exec code bionicpro doctor")
    page.follow("docker compose exec dagster_daemon")
    state = stack.ask(
        "query ($s: ScheduleSelector!) { scheduleOrError(scheduleSelector: $s) { ... on Schedule { scheduleState { status "
        "nextTick { timestamp } } } } }",
        s={"scheduleName": SCHEDULE, "repositoryName": "__repository__", "repositoryLocationName": "bionicpro_assets"},
    )["scheduleOrError"]["scheduleState"]
    assert state["status"] == "RUNNING"
    assert state["nextTick"]["timestamp"] <= (datetime.now(UTC) + timedelta(minutes=15)).timestamp()


def test_a_source_is_away(stack):
    page = Page(stack, "The extract fails")
    first, last = last_hours(4)
    with instead(stack, lambda: stack.compose("stop", "crm_db"), stack.up):
        run = stack.launch(first, last)
        page.follow("docker compose exec code bionicpro doctor")
        wait_for("the step's failure", lambda: "can't be reached" in failures(stack, run), seconds=120)
    # The step is tried again after two minutes, without a hand.
    assert wait_for("the run's end", lambda: ended(stack, run), seconds=420) == "SUCCESS"
    agree(stack, first, last)


def test_a_right_is_taken_away(stack):
    page = Page(stack, "The extract fails")
    page.next = 1
    first, last = last_hours(4)

    def revoke() -> None:
        sql(stack, "REVOKE bionicpro_crm_reader FROM etl")

    with instead(stack, revoke, lambda: sql(stack, "GRANT bionicpro_crm_reader TO etl")):
        page.follow("docker compose exec code bionicpro doctor")
        run = stack.launch(first, last)
        wait_for("the step's failure", lambda: "permission denied" in failures(stack, run), seconds=180)
        page.follow("docker logs")
    wait_for("the run's end", lambda: ended(stack, run), seconds=420)
    after(stack, first, last)


def failures(stack: Stack, run: str) -> str:
    """What went wrong in a run's steps so far."""
    events = stack.ask(
        "query ($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events { ... on ExecutionStepFailureEvent "
        "{ error { message causes { message } } } ... on ExecutionStepUpForRetryEvent { error { message causes { message } } } } } } } }", id=run
    )["runOrError"]["eventConnection"]["events"]  # fmt: skip
    return json.dumps(events, ensure_ascii=False)


def test_clickhouse_is_down(stack):
    page = Page(stack, "The load fails")
    with instead(stack, lambda: stack.compose("stop", "clickhouse"), stack.up):
        page.follow("docker compose exec code bionicpro doctor")
        page.follow("docker compose ps --all clickhouse")
        page.follow("docker compose up", seconds=300)
    after(stack, *last_hours(3))


def test_a_row_is_tampered_with(stack):
    first = floor_hour(datetime.now(UTC)) - timedelta(hours=5)
    last = first + timedelta(hours=4)
    after(stack, first, last)
    page = Page(stack, "The numbers look wrong", (first, last))
    stack.compose("exec", "--no-TTY", "code", "python", "-c", TAMPER, str(int(first.timestamp())))
    page.follow("docker compose exec code bionicpro verify")
    page.follow("docker/load.sh")
    page.follow("docker compose exec code bionicpro status", seconds=240)
    page.follow("docker compose exec code bionicpro verify", seconds=120)
    assert len(RUNBOOK[page.symptom]) == page.next


def test_the_disk_is_full(stack):
    """On a small disk that stands in the place of ClickHouse's for as long as this takes."""
    first, last = last_hours(3)
    (stack.folder / "small.yml").write_text(SMALL)
    small = Stack(stack.folder, stack.passwords, (*stack.overrides, stack.folder / "small.yml"), stack.environment)
    with instead(small, small.up, stack.up):
        after(small, first, last)
        small.shell("docker compose exec clickhouse dd if=/dev/zero of=/var/lib/clickhouse/ballast bs=64k")
        page = Page(small, "The disk is full")
        page.follow("docker compose exec code bionicpro doctor")
        page.follow("docker compose exec clickhouse df")
        run = small.launch(first - timedelta(hours=1), last)
        assert wait_for("the run's end", lambda: ended(small, run), seconds=420) == "FAILURE"
        page.follow("docker logs")
        page.follow("docker system df")
        # What was published before is still what is read.
        agree(small, first, last)
        small.shell("docker compose exec clickhouse rm /var/lib/clickhouse/ballast")
        after(small, first - timedelta(hours=1), last)
    after(stack, first, last)


def test_a_long_backfill(stack):
    page = Page(stack, "A backfill is too slow")
    last = floor_hour(datetime.now(UTC)) - timedelta(hours=1)
    first = last - timedelta(hours=24 * 21)
    keys = [f"{first + timedelta(hours=i):%Y-%m-%d-%H:%M}" for i in range(24 * 21 + 1)]
    launched = stack.ask(BACKFILL, p={"assetSelection": [{"path": path} for path in HOURLY], "partitionNames": keys})
    backfill = launched["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    page.follow("docker compose exec code bionicpro status", seconds=180)
    page.follow("docker compose exec code bionicpro doctor", seconds=60)

    def status() -> str:
        asked = stack.ask(BACKFILL_STATUS, id=backfill["backfillId"])
        return str(asked["partitionBackfillOrError"]["status"])

    wait_for("the backfill's end", lambda: status() in ("COMPLETED_SUCCESS", "COMPLETED", "FAILED"), seconds=900)
    assert status() == "COMPLETED_SUCCESS"
    agree(stack, first, last)


def test_every_command_of_the_runbook_was_run():
    assert done == {(symptom, i) for symptom, commands in RUNBOOK.items() for i in range(len(commands))}
