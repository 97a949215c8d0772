"""From nothing to a mart that is what the sources give, and what happened when."""

from datetime import UTC, datetime

import pytest

from bionicpro_assets_tests.e2e.compose.stack import HEALTH, ONCE, Stack, agree, docker, last_hours, wait_for

pytestmark = pytest.mark.docker


def test_a_cold_start_ends_in_a_green_mart(stack):
    began, log = what_started(stack)
    first, last = last_hours(5)
    # Before the quarter of an hour is over at which the schedule would.
    log.append((datetime.now(UTC), "the last six hours are asked for: docker/load.sh"))
    stack.script("load.sh", f"{first:%Y-%m-%dT%H:%M}", f"{last:%Y-%m-%dT%H:%M}")
    (run,) = wait_for("the run that loads", lambda: [
        r for r in stack.runs()
        if r["tags"].get("dagster/asset_partition_range_start") == f"{first:%Y-%m-%d-%H:%M}" and r["status"] == "SUCCESS"
    ], seconds=300)  # fmt: skip
    times = stack.ask(
        "query ($id: ID!) { runOrError(runId: $id) { ... on Run { startTime endTime } } }", id=run["runId"]
    )
    log += [
        (datetime.fromtimestamp(times["runOrError"][name], UTC), what)
        for name, what in (("startTime", "its run begins, in a container of its own"), ("endTime", "it is published"))
    ]
    agree(stack, first, last)
    log.append((datetime.now(UTC), "verify: the mart is what the sources give"))
    print("\n" + "\n".join(f"{(at - began).total_seconds():6.1f} s  {what}" for at, what in sorted(log)))  # noqa: T201


def what_started(stack: Stack) -> tuple[datetime, list[tuple[datetime, str]]]:
    """When the first container was made, and when each service was healthy, or had ended well."""
    services = stack.services()
    began = min(instant(docker("inspect", "--format", "{{.Created}}", c["ID"]).strip()) for c in services.values())
    log = {
        f"{service} has ended well": instant(docker("inspect", "--format", "{{.State.FinishedAt}}", c["ID"]).strip())
        for service, c in services.items()
        if service in ONCE
    }
    for line in (stack.folder / HEALTH).read_text().splitlines():
        at, service, status = line.split(maxsplit=2)
        if status.endswith(" healthy"):
            log.setdefault(f"{service} is healthy", datetime.fromtimestamp(int(at) / 1e9, UTC))
    assert set(log) == {f"{s} {'has ended well' if s in ONCE else 'is healthy'}" for s in services}
    return began, [(at, what) for what, at in log.items()]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(tzinfo=UTC)
