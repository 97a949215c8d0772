"""Nothing gets lost: late rows, corrections, deletions and outages end up in the mart by themselves.

The schedule and the sensor are evaluated as the daemon does it, and what they ask for is run with the real job.
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
import pytest

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.late.cursor import Cursor
from bionicpro_assets.late.find import Finder
from bionicpro_assets.runs import ask_tags, hours_of_run
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.sources import Sources, as_user, reader_of

pytestmark = pytest.mark.filterwarnings("ignore")
NOW = datetime.now(UTC)
OPEN = floor_hour(NOW)
# The first hour the refresh doesn't load any more.
OLD = OPEN - timedelta(hours=3)
RAW = (
    "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type, response_time_ms, battery_level) "
    "SELECT %s, %s + n * interval '1 second', 'grip', 100 + n %% 7, 80 FROM generate_series(1, %s) n"
)


@cache
def of_settings(settings: Settings) -> dg.Definitions:
    """A code location is loaded once, too."""
    return build_definitions(settings, retries=False)


def ago(**ago: int) -> datetime:
    return OPEN - timedelta(**ago)


class InMemory(dg.ScheduleEvaluationContext):
    """A schedule's context opens the instance by itself, from its files; the tests' instance has none."""

    def __init__(self, at: datetime, instance: dg.DagsterInstance) -> None:
        super().__init__(None, at)
        self.held = instance

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.held


@dataclass
class Daemon:
    """What Dagster's daemon does with the schedule and the sensor, when it is told to."""

    platform: Platform
    cursor: str | None = None
    runs: list[str] = field(default_factory=list)

    def tick(self):
        """Evaluate the sensor."""
        definitions = of_settings(Settings.load())
        context = dg.build_sensor_context(
            instance=self.platform.instance,
            cursor=self.cursor,
            resources={name: definitions.resources[name] for name in (keys.CRM_DB, keys.TELEMETRY_DB)},
        )
        data = definitions.resolve_sensor_def(keys.LATE_SENSOR).evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def tick_at(self, now: datetime):
        """Evaluate the sensor's work as if it were then, by the daemon's clock."""
        sources = self.platform.sources
        finder = Finder(self.platform.instance, sources.crm, sources.telemetry, Settings.load(), now)
        tick = finder.tick(Cursor.parse(self.cursor) if self.cursor else None)
        self.cursor = tick.cursor.json()
        return tick.plan

    def schedule(self, at: datetime = OPEN):
        """Evaluate the schedule's tick of that time."""
        schedule = of_settings(Settings.load()).resolve_schedule_def(keys.SCHEDULE)
        return schedule.evaluate_tick(InMemory(at, self.platform.instance)).run_requests

    def run(self, tags) -> bool:
        """Run the job as asked."""
        job = of_settings(Settings.load()).resolve_job_def(keys.JOB)
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = job.execute_in_process(quiet, instance=self.platform.instance, tags=tags, raise_on_error=False)
        self.runs.append(tags.get("bionicpro/asked_for", "refresh"))
        return result.success

    def settle(self) -> int:
        """Tick and run until nothing is asked for any more; how many runs it took."""
        count = 0
        while requests := self.tick().run_requests:
            for request in requests:
                assert self.run(request.tags)
                count += 1
            assert count < 50
        return count

    def half_an_hour_goes_by(self):
        """The next tick compares all recent hours again."""
        self.cursor = json.dumps(json.loads(self.cursor) | {"compared_at": None})


@pytest.fixture
def daemon(platform, sources, monkeypatch) -> Daemon:
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", "6")
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{OPEN - timedelta(days=40):%Y-%m-%dT%H:%M}")
    sources.add_wearer("C1", "anna")
    sources.add_wearer("C2", "boris")
    return Daemon(platform)


@pytest.fixture
def rolled_up(daemon, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "platform")
    return daemon


def asked(requests) -> list[list[datetime]]:
    return sorted(hours_of_run(request.tags) for request in requests)


def assert_mart(daemon: Daemon, first: datetime, last: datetime = OPEN) -> None:
    expected = daemon.platform.sources.expected_mart(first, last)
    assert expected
    assert daemon.platform.mart() == expected


def test_raw_rows_one_minute_three_hours_and_three_days_late(rolled_up, sources):
    for hour in (ago(days=3), ago(hours=4), ago(hours=3), ago(hours=1)):
        sources.in_telemetry(RAW, ("C1", hour, 60))
    rolled_up.platform.load(ago(days=3), ago(days=3))
    rolled_up.platform.load(ago(hours=4), OPEN)
    assert rolled_up.tick().skip_message == "No hour is late."
    before = rolled_up.platform.mart()
    for late, hour in ((60, ago(hours=1)), (30, ago(hours=4)), (20, ago(days=3))):
        sources.in_telemetry(RAW, ("C2", hour, late))
    requests = rolled_up.tick().run_requests
    assert asked(requests) == [[ago(days=3)], [ago(hours=4)]], "the hour of the row one minute late is the refresh's"
    for tags in [request.tags for request in requests] + [rolled_up.schedule()[0].tags]:
        assert rolled_up.run(tags)
    for _ in range(3):
        assert rolled_up.tick().skip_message == "No hour is late."
    assert_mart(rolled_up, ago(days=3))
    assert len(rolled_up.platform.mart()) == len(before) + 3
    assert rolled_up.runs == ["late hours"] * 2 + ["refresh"]


def test_a_raw_row_whose_transaction_commits_late_is_found_by_its_commit(rolled_up, sources):
    import psycopg2

    sources.in_telemetry(RAW, ("C1", ago(hours=5), 60))
    rolled_up.platform.load(ago(hours=5), OPEN)
    rolled_up.tick()
    slow = psycopg2.connect(sources.telemetry.url)
    with slow.cursor() as cursor:
        cursor.execute(RAW, ("C2", ago(hours=5), 10))
    # Others go on meanwhile, with greater numbers, and their hour is loaded.
    sources.in_telemetry(RAW, ("C1", ago(hours=5) + timedelta(minutes=5), 60))
    assert rolled_up.settle() == 1
    cursor = Cursor.parse(rolled_up.cursor)
    rolled_up.cursor = json.dumps(
        json.loads(rolled_up.cursor)
        | {"looks": [[(look.at - timedelta(hours=1)).isoformat(), look.next_transaction, look.newest_raw,
                      {f"{h:%Y-%m-%d-%H:%M}": n for h, n in look.raw_rows.items()}] for look in cursor.looks]}
    )  # fmt: skip
    assert rolled_up.tick().skip_message == "No hour is late."
    slow.commit()
    slow.close()
    # Another 15 minutes after the last run of this hour.
    assert asked_plan(rolled_up.tick_at(datetime.now(UTC) + timedelta(minutes=20))) == [[ago(hours=5)]]
    assert rolled_up.run(ask_tags([ago(hours=5)], "late hours"))
    assert not rolled_up.tick_at(datetime.now(UTC) + timedelta(minutes=40)).requests
    assert_mart(rolled_up, ago(hours=5))


def asked_plan(plan) -> list[list[datetime]]:
    return sorted(list(request.hours) for request in plan.requests)


def test_an_outage_of_thirty_hours_is_caught_up_with_by_the_next_tick(daemon, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", "34")
    for hour in hour_range(ago(hours=34), OPEN):
        sources.add_hour("C1", hour)
    daemon.platform.load(ago(hours=32), ago(hours=31))
    requests = daemon.schedule()
    assert [hours_of_run(r.tags) for r in requests] == [
        hour_range(ago(hours=2), OPEN),
        hour_range(ago(hours=30), ago(hours=3)),
        hour_range(ago(hours=34), ago(hours=33)),  # before the first load, within reach of the setting
    ]
    assert [r.tags["dagster/priority"] for r in requests] == ["10", "7", "7"]
    assert len({r.run_key for r in requests}) == 3
    for request in requests:
        assert daemon.run(request.tags)
    assert_mart(daemon, ago(hours=34))
    assert len(daemon.schedule()) == 1
    assert daemon.tick().skip_message == "No hour is late."
    assert daemon.runs == ["refresh", "missing hours", "missing hours"]


def test_catching_up_never_reaches_before_the_first_partition_and_can_be_off(daemon, monkeypatch):
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{ago(hours=24):%Y-%m-%dT%H:%M}")
    for limit, first in (("200", ago(hours=24)), ("10", ago(hours=10))):
        monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", limit)
        _, missing = daemon.schedule()
        assert hours_of_run(missing.tags) == hour_range(first, ago(hours=3))
    monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", "0")
    assert len(daemon.schedule()) == 1


def test_hours_whose_run_is_queued_or_in_progress_arent_asked_for_again(daemon, sources):
    sources.add_hour("C1", ago(hours=9))
    daemon.platform.load(ago(hours=9), ago(hours=9))
    daemon.tick()
    sources.add_hour("C1", ago(hours=9), movements_count=5)
    instance = daemon.platform.instance
    job = of_settings(Settings.load()).resolve_job_def(keys.JOB)
    (request,) = daemon.tick().run_requests
    queued = instance.create_run_for_job(job, tags=dict(request.tags), status=dg.DagsterRunStatus.NOT_STARTED)
    again = daemon.tick()
    assert not again.run_requests
    assert "runs aren't over" in again.skip_message
    instance.report_run_canceled(queued)
    assert not daemon.tick().run_requests, "a pause first"


def test_a_catch_up_that_hangs_isnt_asked_for_again(daemon):
    instance = daemon.platform.instance
    job = of_settings(Settings.load()).resolve_job_def(keys.JOB)
    _, missing = daemon.schedule()
    instance.create_run_for_job(job, tags=dict(missing.tags), status=dg.DagsterRunStatus.STARTED)
    for minutes in (15, 30, 45):
        (refresh,) = daemon.schedule(OPEN + timedelta(minutes=minutes))
        assert refresh.run_key == "refresh"


def poison(sources, hour):
    """Make an hour one that can't be loaded: nearly all of its telemetry has no wearer."""
    sources.in_telemetry(
        "INSERT INTO telemetry.hourly_stats (chip_id, hour_start) SELECT 'UNKNOWN' || n, %s FROM generate_series(1, 30) n",
        (hour,),
    )


def heal(sources):
    sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE chip_id LIKE 'UNKNOWN%%'", ())


def test_a_missing_hour_that_cant_be_loaded_doesnt_keep_the_refresh_waiting(daemon, sources):
    for hour in (ago(hours=4), OPEN):
        sources.add_hour("C1", hour)
    poison(sources, ago(hours=5))
    refresh, missing = daemon.schedule()
    assert hours_of_run(missing.tags) == hour_range(ago(hours=6), ago(hours=3))
    assert not daemon.run(missing.tags)
    later = daemon.schedule(datetime.now(UTC) + timedelta(hours=1))
    assert not any(ago(hours=5) in hours for hours in asked(later)), "nothing loads"
    assert daemon.run(refresh.tags)
    assert_mart(daemon, ago(hours=2))
    assert [r.run_key for r in daemon.schedule(datetime.now(UTC))] == ["refresh"], "a pause first"
    _, again = daemon.schedule(datetime.now(UTC) + timedelta(minutes=16))
    assert hours_of_run(again.tags)[-1] == ago(hours=3)
    assert "attempt 2" in again.run_key
    heal(sources)
    sources.add_hour("C1", ago(hours=5), movements_count=3, successful_movements=3)
    assert daemon.run(again.tags)
    assert_mart(daemon, ago(hours=5))


@pytest.mark.parametrize("correction", ["a row is corrected", "rows are deleted"])
def test_a_missing_hour_that_was_given_up_is_late_once_its_source_is_corrected(
    daemon, sources, monkeypatch, correction
):
    monkeypatch.setattr("bionicpro_assets.late.plan.FIRST_PAUSE", timedelta(0))
    monkeypatch.setattr("bionicpro_assets.late.plan.MAX_ATTEMPTS", 2)
    monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", "3")
    sources.add_hour("C1", OPEN)
    poison(sources, ago(hours=3))
    sources.add_hour("C1", ago(hours=3))
    daemon.platform.load(OPEN, OPEN)
    daemon.tick()
    while (missing := daemon.schedule(datetime.now(UTC))[1:]) and len(daemon.runs) < 9:
        assert asked(missing) == [[ago(hours=3)]]
        assert not daemon.run(missing[0].tags)
        daemon.half_an_hour_goes_by()
        assert not daemon.tick().run_requests, "as long as the schedule asks for it, the sensor doesn't"
        daemon.platform.load(OPEN, OPEN)
    assert daemon.runs == ["missing hours"] * 2
    for _ in range(2):
        daemon.half_an_hour_goes_by()
        assert not daemon.tick().run_requests, "nothing has changed"
    heal(sources)
    if correction == "a row is corrected":
        sources.add_hour("C1", ago(hours=3), movements_count=3, successful_movements=3)
    else:
        daemon.half_an_hour_goes_by()
    assert asked(daemon.tick().run_requests) == [[ago(hours=3)]]
    assert daemon.settle() == 1
    assert len(daemon.schedule(datetime.now(UTC))) == 1
    assert_mart(daemon, ago(hours=3))


def test_corrected_deleted_and_added_rows_of_old_hours(daemon, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", "12")
    for hour in hour_range(ago(hours=12), OPEN):
        sources.add_hour("C1", hour)
        sources.add_hour("C2", hour)
    # Long ago: out of sight of the look for what has changed.
    sources.in_telemetry("UPDATE telemetry.hourly_stats SET updated_at = updated_at - interval '2 days'")
    daemon.platform.load(ago(hours=12), OPEN)
    daemon.tick()
    sources.add_hour("C1", ago(hours=18), movements_count=7, successful_movements=7)
    sources.add_hour("C1", ago(hours=17), movements_count=8, successful_movements=8)
    sources.add_hour("C1", ago(days=30), movements_count=9, successful_movements=9)  # never loaded, and long ago
    assert asked(daemon.tick().run_requests) == [[ago(days=30)], [ago(hours=18), ago(hours=17)]]
    assert daemon.settle() == 2
    sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE hour_start = %s", (ago(hours=10),))
    sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE hour_start = %s AND chip_id = 'C1'", (ago(hours=8),))
    assert not daemon.tick().run_requests, "nothing to see until all recent hours are compared"
    daemon.half_an_hour_goes_by()
    assert asked(daemon.tick().run_requests) == [[ago(hours=10)], [ago(hours=8)]]
    assert daemon.settle() == 2
    daemon.half_an_hour_goes_by()
    assert daemon.tick().skip_message == "No hour is late."
    assert_mart(daemon, ago(days=30))


def test_an_hour_that_was_last_read_while_it_was_open_is_read_once_more(daemon, sources, monkeypatch):
    """The platform was down since: even if nothing came after that read, nobody can tell so without another one."""
    monkeypatch.setenv("BIONICPRO_MAX_CATCHUP_HOURS", "12")
    hours = hour_range(ago(hours=12), OPEN)
    for hour in hours:
        sources.add_hour("C1", hour)
    original = PostgresSource.snapshot
    open_then = ago(hours=9)

    @contextmanager
    def half_past(self, of=None):
        with original(self, of) as snapshot:
            yield replace(snapshot, read_at=open_then + timedelta(minutes=30))

    with monkeypatch.context() as then:
        then.setattr(PostgresSource, "snapshot", half_past)
        daemon.platform.load(ago(hours=12), open_then)
    daemon.platform.load(ago(hours=8), OPEN)
    assert asked(daemon.tick().run_requests) == [[open_then]]
    assert daemon.settle() == 1
    daemon.half_an_hour_goes_by()
    assert daemon.tick().skip_message == "No hour is late."
    assert_mart(daemon, ago(hours=12))


def test_a_row_stamped_before_the_load_and_committed_after_it(daemon, sources):
    """By instants alone it would count as loaded."""
    import psycopg2

    sources.add_hour("C1", ago(hours=9))
    slow = psycopg2.connect(sources.telemetry.url)
    with slow.cursor() as cursor:
        cursor.execute(
            "INSERT INTO telemetry.hourly_stats (chip_id, hour_start, movements_count) VALUES ('C2', %s, 4)",
            (ago(hours=9),),
        )
    daemon.platform.load(ago(hours=9), OPEN)
    assert daemon.tick().skip_message == "No hour is late."
    slow.commit()
    slow.close()
    assert daemon.settle() == 1
    assert_mart(daemon, ago(hours=9))


def test_a_correction_of_500_old_hours_is_three_runs(daemon, sources):
    daemon.platform.load(OPEN, OPEN)
    daemon.tick()
    sources.in_telemetry(
        "INSERT INTO telemetry.hourly_stats (chip_id, hour_start, movements_count) "
        "SELECT 'C1', h, 5 FROM generate_series(%s, %s, interval '1 hour') h",
        (ago(hours=699), ago(hours=200)),
    )
    requests = daemon.tick().run_requests
    assert [len(hours_of_run(r.tags)) for r in requests] == [164, 168, 168], "the newest first"
    assert [hour for hours in asked(requests) for hour in hours] == hour_range(ago(hours=699), ago(hours=200))
    assert [r.tags["dagster/priority"] for r in requests] == ["5"] * 3
    instance = daemon.platform.instance
    job = of_settings(Settings.load()).resolve_job_def(keys.JOB)
    for request in requests:
        instance.create_run_for_job(job, tags=dict(request.tags), status=dg.DagsterRunStatus.NOT_STARTED)
    assert not daemon.tick().run_requests


def test_scattered_hours_come_a_few_runs_at_a_time(daemon, sources):
    daemon.platform.load(OPEN, OPEN)
    daemon.tick()
    hours = [ago(hours=200 + 2 * i) for i in range(9)]
    for hour in hours:
        sources.add_hour("C1", hour)
    requests = daemon.tick().run_requests
    assert asked(requests) == [[hour] for hour in sorted(hours[:4])]
    job = of_settings(Settings.load()).resolve_job_def(keys.JOB)
    runs = [daemon.platform.instance.create_run_for_job(job, tags=dict(request.tags)) for request in requests]
    again = daemon.tick()
    assert not again.run_requests
    assert "and 4 hours more" in again.skip_message, "five are named"
    daemon.platform.instance.report_run_canceled(runs[0])
    assert asked(daemon.tick().run_requests) == [[hours[4]]]


def test_the_sensor_never_wakes_itself(rolled_up, sources):
    """The roll-up of a run moves updated_at, and raw rows stay within sight for a while."""
    for hour in hour_range(ago(hours=6), OPEN):
        sources.in_telemetry(RAW, ("C1", hour, 60))
    rolled_up.platform.load(ago(hours=6), OPEN)
    rolled_up.tick()
    sources.in_telemetry(RAW, ("C2", ago(hours=5), 60))
    assert rolled_up.settle() == 1
    for _ in range(3):
        rolled_up.half_an_hour_goes_by()
        assert rolled_up.tick().skip_message == "No hour is late."
    for _ in range(2):
        rolled_up.platform.load(ago(hours=6), OPEN)
        rolled_up.half_an_hour_goes_by()
        assert rolled_up.tick().skip_message == "No hour is late."


def test_the_roll_up_becomes_somebody_elses_and_then_the_platforms_again(rolled_up, sources, monkeypatch):
    for hour in (ago(hours=9), ago(hours=7)):
        sources.in_telemetry(RAW, ("C1", hour, 60))
    rolled_up.platform.load(ago(hours=9), OPEN)
    rolled_up.tick()
    sources.in_telemetry(RAW, ("C2", ago(hours=9), 60))
    assert asked(rolled_up.tick().run_requests) == [[ago(hours=9)]]
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    assert rolled_up.tick().skip_message == "No hour is late.", "whoever rolls it up moves updated_at"
    sources.add_hour("C2", ago(hours=9))
    assert asked(rolled_up.tick().run_requests) == [[ago(hours=9)]]
    assert rolled_up.settle() == 1
    assert_mart(rolled_up, ago(hours=9))
    # Looks of this time are settled.
    cursor = json.loads(rolled_up.cursor)
    for look in cursor["looks"]:
        look[0] = (datetime.fromisoformat(look[0]) - timedelta(hours=2)).isoformat()
    rolled_up.cursor = json.dumps(cursor)
    sources.in_telemetry("UPDATE telemetry.raw_telemetry SET created_at = created_at - interval '9 hours'")
    rolled_up.tick()
    monkeypatch.setenv("BIONICPRO_ROLLUP", "platform")
    assert rolled_up.tick().skip_message == "No hour is late.", "raw rows of before aren't new"
    sources.in_telemetry(RAW, ("C2", ago(hours=7), 60))
    assert asked(rolled_up.tick().run_requests) == [[ago(hours=7)]]


def test_an_hour_that_left_the_window_while_its_refresh_failed_is_late(rolled_up, sources):
    """Raw rows that nobody rolled up leave no other trace."""
    for hour in hour_range(ago(hours=6), OPEN):
        sources.in_telemetry(RAW, ("C1", hour, 60))
    rolled_up.platform.load(ago(hours=6), OPEN)
    rolled_up.tick()
    sources.in_telemetry(RAW, ("C2", ago(hours=2), 60))
    assert not rolled_up.tick_at(OPEN + timedelta(minutes=50)).requests
    # The refresh fails until the hour is out of its window.
    assert asked_plan(rolled_up.tick_at(OPEN + timedelta(hours=1, minutes=4))) == [[ago(hours=2)]]


@pytest.mark.slow
def test_a_poisoned_hour_loses_only_itself_and_the_refresh_goes_on(daemon, sources):
    hours = hour_range(ago(hours=20), ago(hours=13))
    for hour in [*hours, OPEN]:
        sources.add_hour("C1", hour)
    daemon.platform.load(ago(hours=6), OPEN)
    daemon.tick()
    poisoned = ago(hours=16)
    for hour in hours:
        sources.add_hour("C1", hour, movements_count=50)
    poison(sources, poisoned)
    now, runs = datetime.now(UTC), 0
    for _ in range(40):
        plan = daemon.tick_at(now)
        if poisoned in plan.given_up:
            break
        for request in plan.requests:
            daemon.run(ask_tags(request.hours, "late hours"))
            runs += 1
        (refresh,) = daemon.schedule()
        assert daemon.run(refresh.tags), "the open hour is loaded at every tick"
        now += timedelta(minutes=30)
    assert plan.given_up == [poisoned]
    assert not plan.waiting
    assert runs == 9, "8 hours: in 1 run, 1 of at most 42, 1 of at most 10, 4 of 2, 2 of 1"
    bad = (poisoned.date(), poisoned.hour)
    good = [row for row in sources.expected_mart(ago(hours=20), OPEN) if (row[3], row[4]) != bad]
    assert [row for row in daemon.platform.mart() if (row[3], row[4]) != bad] == good
    message = daemon.tick().skip_message
    assert f"given up: {poisoned:%Y-%m-%d %H:%M} UTC" in message
    assert "bionicpro materialize" in message
    # Corrected in the source, it is late again, and loaded.
    heal(sources)
    sources.add_hour("C1", poisoned, movements_count=3, successful_movements=3)
    (request,) = daemon.tick_at(now + timedelta(hours=1)).requests
    assert daemon.run(ask_tags(request.hours, "late hours"))
    assert daemon.tick().skip_message == "No hour is late."
    assert_mart(daemon, ago(hours=20))


def test_an_outage_doesnt_use_up_the_attempts(daemon, sources, monkeypatch):
    sources.add_hour("C1", ago(hours=9))
    daemon.platform.load(ago(hours=9), ago(hours=9))
    daemon.tick()
    sources.add_hour("C1", ago(hours=9), movements_count=5)
    (request,) = daemon.tick().run_requests
    url = Settings.load().secret("BIONICPRO_CRM_DB_URL")
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", "postgresql://nobody@127.0.0.1:1/crm_db")
    assert not daemon.run(request.tags)
    for hours in (1, 5, 24):
        assert not daemon.tick_at(datetime.now(UTC) + timedelta(hours=hours)).requests
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", url)
    daemon.platform.load(ago(hours=2), OPEN)
    assert asked_plan(daemon.tick_at(datetime.now(UTC) + timedelta(minutes=20))) == [[ago(hours=9)]]


@pytest.mark.parametrize("ahead", [0, 5])
def test_a_late_hour_is_asked_for_again_if_the_clock_of_its_source_is_a_little_ahead(
    daemon, sources, monkeypatch, ahead
):
    """Dagster drops a request whose key a run of the sensor already has."""
    original = PostgresSource.snapshot

    @contextmanager
    def snapshot_of_another_clock(self, of=None):
        with original(self, of) as snapshot:
            yield replace(snapshot, read_at=snapshot.read_at + timedelta(seconds=ahead))

    monkeypatch.setattr(PostgresSource, "snapshot", snapshot_of_another_clock)
    sources.add_hour("C1", ago(hours=9))
    daemon.platform.load(ago(hours=9), ago(hours=9))
    daemon.tick()
    sources.add_hour("C1", ago(hours=9), movements_count=5)
    (first,) = daemon.tick().run_requests
    with monkeypatch.context() as broken:
        broken.setenv("BIONICPRO_CRM_DB_URL", "postgresql://nobody@127.0.0.1:1/crm_db")
        assert not daemon.run(first.tags)
    daemon.platform.load(ago(hours=2), OPEN)
    assert not daemon.tick_at(datetime.now(UTC) + timedelta(minutes=5)).requests, "a pause first"
    (again,) = daemon.tick_at(datetime.now(UTC) + timedelta(minutes=20)).requests
    assert again.key != first.run_key
    assert "attempt 2" in again.key
    assert daemon.run(ask_tags(again.hours, "late hours", again.since))
    assert daemon.tick().skip_message == "No hour is late."


def test_a_source_that_cant_be_reached_fails_the_tick_and_keeps_the_cursor(daemon, monkeypatch):
    daemon.platform.load(ago(hours=3), OPEN)
    daemon.tick()
    before = daemon.cursor
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", "postgresql://etl:s3cret@127.0.0.1:1/telemetry_db")
    with pytest.raises(dg.Failure, match=r"telemetry_db \(127.0.0.1:1/telemetry_db\) can't be reached") as caught:
        daemon.tick()
    assert "s3cret" not in caught.value.description
    assert daemon.cursor == before


def test_users_who_may_read_two_views_only(daemon, deployed, monkeypatch):
    """As in the field: no index of ours, Moscow time, averages rounded in the view."""
    views = {deployed.crm: "crm.v_customer_prosthesis", deployed.telemetry: "telemetry.v_hourly_telemetry"}
    with reader_of(deployed.admin, views) as reader:
        crm, telemetry = as_user(deployed.crm, reader), as_user(deployed.telemetry, reader)
        monkeypatch.setenv("BIONICPRO_CRM_DB_URL", crm.url)
        monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", telemetry.url)
        platform = Platform(
            Sources(crm, telemetry, deployed.admin), daemon.platform.clickhouse, daemon.platform.instance
        )
        daemon.platform = platform
        deployed.add_wearer("C1", "anna")
        deployed.add_hour("C1", ago(hours=9))
        platform.load(ago(hours=9), OPEN)
        assert daemon.tick().skip_message == "No hour is late."
        deployed.add_hour("C1", ago(hours=9), movements_count=5)
        deployed.add_hour("C1", ago(hours=7))
        assert daemon.settle() == 2
        assert platform.mart() == deployed.expected_mart(ago(hours=9), OPEN)


def reject(daemon, hour, *chips):
    daemon.platform.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            keys.QUARANTINE, partition=f"{hour:%Y-%m-%d-%H:%M}", metadata={"rejected_chips": list(chips)}
        )
    )


def test_hours_of_a_chip_that_the_crm_has_got_to_know(daemon, sources):
    for hour in (ago(hours=9), ago(hours=8), ago(hours=5)):
        sources.add_hour("NEW'\"CHIP", hour)
    daemon.platform.load(ago(hours=9), ago(hours=5))
    reject(daemon, ago(hours=9), "NEW'\"CHIP", "NEVER")
    reject(daemon, ago(hours=8), "NEW'\"CHIP")
    reject(daemon, ago(hours=5), "NEVER")
    assert daemon.tick().skip_message == "No hour is late."
    sources.add_wearer("NEW'\"CHIP", "vera")
    daemon.half_an_hour_goes_by()
    (request,) = daemon.tick().run_requests
    assert hours_of_run(request.tags) == [ago(hours=9), ago(hours=8)]
    assert daemon.run(request.tags)
    # The record says rejected again, for whatever other reason: asked for again only when the CRM changes.
    reject(daemon, ago(hours=9), "NEW'\"CHIP")
    reject(daemon, ago(hours=8), "NEW'\"CHIP")
    for _ in range(2):
        daemon.half_an_hour_goes_by()
        assert daemon.tick().skip_message == "No hour is late."
    sources.in_crm("UPDATE crm.prostheses SET status = 'maintenance' WHERE chip_id = %s", ("NEW'\"CHIP",))
    daemon.half_an_hour_goes_by()
    assert asked_plan(daemon.tick_at(datetime.now(UTC) + timedelta(minutes=20))) == [[ago(hours=9), ago(hours=8)]]
    reject(daemon, ago(hours=9))
    reject(daemon, ago(hours=8))
    daemon.half_an_hour_goes_by()
    assert not daemon.tick_at(datetime.now(UTC) + timedelta(minutes=20)).requests


def shown_twice(sources, chip) -> str:
    """Let the CRM's view show the prosthesis of a chip twice; the view that mends it."""
    definition = sources.in_crm("SELECT pg_get_viewdef('crm.v_customer_prosthesis'::regclass)")[0][0].rstrip("; \n")
    replaced = "CREATE OR REPLACE VIEW crm.v_customer_prosthesis AS"
    sources.in_crm(
        f"{replaced} SELECT * FROM ({definition}) v UNION ALL SELECT * FROM ({definition}) w WHERE w.chip_id = '{chip}'"
    )
    return f"{replaced} {definition}"


@pytest.mark.parametrize("fault", ["no name", "blank login", "shown twice"])
def test_hours_come_back_when_the_customer_is_completed(daemon, sources, fault):
    """Neither moves the stamp of the prosthesis, and a mended view moves none at all."""
    for hour in (ago(hours=9), OPEN):
        sources.add_hour("C1", hour)
        sources.add_hour("C2", hour)
    # As of long ago: by its date alone nothing has changed since the hour was loaded.
    sources.in_crm("ALTER TABLE crm.prostheses DISABLE TRIGGER USER")
    sources.in_crm("UPDATE crm.prostheses SET updated_at = now() - interval '50 days'")
    if fault == "no name":
        sources.in_crm(
            "UPDATE crm.customers SET first_name = '', last_name = '\u00a0', middle_name = NULL WHERE external_id = 'boris'"
        )
        mended = "UPDATE crm.customers SET first_name = 'Борис', last_name = 'Белов' WHERE last_name = '\u00a0'"
    elif fault == "blank login":
        sources.in_crm("UPDATE crm.customers SET external_id = ' ' WHERE external_id = 'boris'")
        mended = "UPDATE crm.customers SET external_id = 'boris' WHERE external_id = ' '"
    else:
        mended = shown_twice(sources, "C2")
    daemon.platform.load(ago(hours=9), OPEN)
    aside = "SELECT count() FROM quarantine.rejected_telemetry WHERE chip_id = 'C2'"
    assert daemon.platform.clickhouse.rows(aside)[1] == [(2,)]
    daemon.settle()
    for _ in range(2):
        daemon.half_an_hour_goes_by()
        assert not daemon.tick_at(datetime.now(UTC) + timedelta(minutes=20)).requests, "asked for once"
    sources.in_crm(mended)
    daemon.half_an_hour_goes_by()
    (request,) = daemon.tick_at(datetime.now(UTC) + timedelta(minutes=20)).requests
    assert list(request.hours) == [ago(hours=9)]
    for tags in (ask_tags(request.hours, "late hours"), daemon.schedule()[0].tags):
        assert daemon.run(tags)
    assert daemon.platform.clickhouse.rows(aside)[1] == [(0,)]
    assert_mart(daemon, ago(hours=9))
    daemon.half_an_hour_goes_by()
    assert daemon.tick().skip_message == "No hour is late."


def test_a_cursor_of_another_version_is_begun_anew(daemon, sources):
    sources.add_hour("C1", ago(hours=9))
    daemon.platform.load(ago(hours=9), OPEN)
    sources.add_hour("C1", ago(hours=9), movements_count=4)
    for cursor in ('{"version": 99}', "nonsense", "[]"):
        daemon.cursor = cursor
        assert asked(daemon.tick().run_requests) == [[ago(hours=9)]]
        assert json.loads(daemon.cursor)["version"] == 1
