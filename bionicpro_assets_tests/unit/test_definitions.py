"""What the code location declares. The snapshot is what people find in the UI: change it on purpose."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from bionicpro_assets.days import day_key, day_range, hours_of_day, parse_day
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.metadata import PERSONAL
from bionicpro_assets.hours import hour_range, partition_key
from bionicpro_assets.late.days_due import due_days
from bionicpro_assets.runs import RANGE_END_TAG, RANGE_START_TAG, busy_hours, range_tags
from bionicpro_assets.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")
SECRET = "s3cret"


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", f"postgresql://etl:{SECRET}@crm_db/crm_db")
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", f"postgresql://etl:{SECRET}@telemetry_db/telemetry_db")
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"http://etl:{SECRET}@clickhouse:8123/reports")
    return Settings.load


def snapshot(definitions: dg.Definitions) -> dict[str, dict]:
    graph = definitions.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "deps": sorted(dep.to_user_string() for dep in graph.get(key).parent_keys),
            "group": graph.get(key).group_name,
            "kinds": sorted(graph.get(key).kinds),
            "owners": sorted(graph.get(key).owners),
            "partitioned": graph.get(key).partitions_def is not None,
            "runs here": graph.get(key).is_materializable,
            "observed": graph.get(key).is_observable,
            "airflow task": graph.get(key).tags.get("airflow_task"),
        }
        for key in graph.get_all_asset_keys()
    }


def source(group, **other):
    return {
        "deps": [], "group": group, "kinds": ["postgres", "table"], "owners": [f"team:{group}"], "partitioned": False,
        "runs here": False, "observed": True, "airflow task": None,
    } | other  # fmt: skip


def hourly(group, deps, kinds, task=None):
    return {
        "deps": deps, "group": group, "kinds": kinds, "owners": [f"team:{group}"], "partitioned": True, "runs here": True,
        "observed": False, "airflow task": task,
    }  # fmt: skip


SNAPSHOT = {
    "crm/customers": source("crm"),
    "crm/prostheses": source("crm"),
    "crm/prosthesis_models": source("crm", observed=False),
    "telemetry/raw_telemetry": source("telemetry"),
    "telemetry/hourly_stats": hourly("telemetry", ["telemetry/raw_telemetry"], ["postgres"]),
    "staging/crm_customer_prosthesis": hourly(
        "crm",
        ["crm/customers", "crm/prostheses", "crm/prosthesis_models"],
        ["clickhouse", "postgres"],
        "extract_crm_data",
    ),
    "staging/hourly_telemetry": hourly(
        "telemetry", ["telemetry/hourly_stats"], ["clickhouse", "postgres"], "extract_telemetry_data"
    ),
    "quarantine/rejected_telemetry": hourly(
        "reports",
        ["staging/crm_customer_prosthesis", "staging/hourly_telemetry"],
        ["clickhouse", "polars"],
        "transform_and_join",
    ),
    "reports/user_prosthesis_stats": hourly(
        "reports",
        ["staging/crm_customer_prosthesis", "staging/hourly_telemetry"],
        ["clickhouse", "polars"],
        "transform_and_join",
    ),
    "reports/user_daily_stats": hourly("reports", ["reports/user_prosthesis_stats"], ["clickhouse", "view"]),
    "pages/fleet_report": hourly("reports", ["reports/user_daily_stats"], ["html"]),
    "storage/publications": {
        "deps": [],
        "group": "maintenance",
        "kinds": ["clickhouse"],
        "owners": ["team:reports"],
        "partitioned": False,
        "runs here": True,
        "observed": False,
        "airflow task": None,
    },
}


def test_the_assets(settings):
    assert snapshot(build_definitions(settings())) == SNAPSHOT


def test_a_roll_up_that_somebody_else_runs_is_an_external_asset(settings, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    definitions = build_definitions(settings())
    changed = source("telemetry", deps=["telemetry/raw_telemetry"])
    assert snapshot(definitions) == SNAPSHOT | {"telemetry/hourly_stats": changed}
    selected = definitions.resolve_job_def(keys.JOB).asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in selected} == {
        "staging/crm_customer_prosthesis",
        "staging/hourly_telemetry",
        "quarantine/rejected_telemetry",
        "reports/user_prosthesis_stats",
    }


def test_every_asset_says_what_it_is(settings):
    graph = build_definitions(settings()).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        assert len(graph.get(key).description or "") > 60, key


def test_resources_and_job_have_the_names_of_the_airflow_connections_and_dag(settings):
    definitions = build_definitions(settings())
    assert {"bionicpro_crm_db", "bionicpro_telemetry_db", "bionicpro_clickhouse"} <= set(definitions.resources or {})
    assert definitions.resolve_job_def("bionicpro_reports_etl").tags["dagster/max_runtime"] == "1800"


def test_partitions_are_utc_hours_up_to_the_open_one(settings):
    node = build_definitions(settings()).resolve_asset_graph().get(keys.MART)
    at = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
    partitions = node.partitions_def.get_partition_keys(current_time=at)
    assert (partitions[0], partitions[-1]) == ("2026-01-01-00:00", "2026-11-24-10:00")


def test_failed_steps_are_tried_three_times_two_minutes_apart(settings):
    job = build_definitions(settings()).resolve_job_def(keys.JOB)
    policies = [node.definition.retry_policy for node in job.nodes]
    assert [(p.max_retries, p.delay) for p in policies] == [(3, 120)] * 8


@pytest.mark.parametrize(
    ("tick", "first", "last"),
    [
        ("2026-11-24T10:00", "2026-11-24-08:00", "2026-11-24-10:00"),
        ("2026-11-24T10:15", "2026-11-24-08:00", "2026-11-24-10:00"),
        ("2026-11-24T10:45", "2026-11-24-08:00", "2026-11-24-10:00"),
        ("2026-11-25T00:15", "2026-11-24-22:00", "2026-11-25-00:00"),
        ("2026-03-01T01:30", "2026-02-28-23:00", "2026-03-01-01:00"),
        ("2026-01-01T00:00", "2026-01-01-00:00", "2026-01-01-00:00"),
    ],
)
def test_a_tick_is_one_run_over_the_lookback_and_the_open_hour(settings, tick, first, last):
    with dg.instance_for_test() as instance:
        schedule = build_definitions(settings()).resolve_schedule_def(keys.SCHEDULE)
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=datetime.fromisoformat(tick).replace(tzinfo=UTC)
        )
        request, *missing = schedule.evaluate_tick(context).run_requests
    assert len(missing) == (tick != "2026-01-01T00:00"), "nothing was ever loaded"
    assert request.tags["dagster/asset_partition_range_start"] == first
    assert request.tags["dagster/asset_partition_range_end"] == last
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("*/15 * * * *", "UTC")


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", "2026-11-24", ("2026-11-24-00:00", "2026-11-24-23:00")),
        # By whole UTC days, more than the local one: Dagster relates no hours of UTC to days of another zone.
        ("Europe/Moscow", "2026-11-24", ("2026-11-23-00:00", "2026-11-24-23:00")),
        ("America/St_Johns", "2026-11-24", ("2026-11-24-00:00", "2026-11-25-23:00")),
    ],
)
def test_a_day_is_made_of_the_marts_hours(settings, monkeypatch, zone, day, hours):
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", zone)
    with dg.instance_for_test():
        graph = build_definitions(settings()).resolve_asset_graph()
        days, marts = (graph.get(key).partitions_def for key in (keys.USER_DAILY, keys.MART))
        mapped = graph.get_partition_mapping(
            keys.USER_DAILY, keys.MART
        ).get_upstream_mapped_partitions_result_for_partitions(
            days.subset_with_partition_keys([day]), days, marts, current_time=datetime(2026, 11, 28, tzinfo=UTC)
        )
        found = sorted(mapped.partitions_subset.get_partition_keys())
        assert (found[0], found[-1]) == hours
        assert {partition_key(hour) for hour in hours_of_day(parse_day(day), zone)} <= set(found)


def materialised(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: list[str]) -> None:
    for partition in partitions:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


def test_a_day_is_asked_for_when_it_is_over_and_loaded_and_again_after_late_hours(settings, monkeypatch):
    """In Moscow a day ends at 21:00 UTC; with two hours of lookback its last hour is loaded until 23:00."""
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", "Europe/Moscow")
    hours = [
        partition_key(hour)
        for hour in hour_range(datetime(2026, 11, 20, 21, tzinfo=UTC), datetime(2026, 11, 24, 21, tzinfo=UTC))
    ]
    with dg.instance_for_test() as instance:
        schedule = build_definitions(settings()).resolve_schedule_def(keys.DAILY_SCHEDULE)

        def asked(tick: str) -> list[tuple[str, str]]:
            at = datetime.fromisoformat(tick).replace(tzinfo=UTC)
            requests = schedule.evaluate_tick(
                dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
            ).run_requests
            assert all(request.tags["dagster/priority"] == "-1" for request in requests)
            return [(r.tags[RANGE_START_TAG], r.tags[RANGE_END_TAG]) for r in requests]

        def tell(*days: str) -> None:
            for key in (keys.USER_DAILY, keys.FLEET_REPORT):
                materialised(instance, key, list(days))

        assert asked("2026-11-24T23:25") == [], "nothing is loaded"
        materialised(instance, keys.MART, hours)
        assert asked("2026-11-24T22:25") == [("2026-11-21", "2026-11-23")]
        assert asked("2026-11-24T23:25") == [("2026-11-21", "2026-11-24")]
        tell("2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24")
        assert asked("2026-11-25T05:25") == []
        materialised(instance, keys.MART, ["2026-11-22-20:00"])
        # And the pages after it, which have that day too.
        assert asked("2026-11-25T05:25") == [("2026-11-22", "2026-11-24")]
        materialised(instance, keys.USER_DAILY, ["2026-11-22"])
        assert asked("2026-11-25T05:25")[0] == ("2026-11-22", "2026-11-24"), "its page wasn't written"
        tell("2026-11-22", "2026-11-24")
        assert asked("2026-11-25T05:25") == [("2026-11-23", "2026-11-23")], "the page in between is old"
        tell("2026-11-23")
        assert asked("2026-11-25T05:25") == []
        assert asked("2026-12-30T05:25") == [], "a day that never came has no hours"
        instance.create_run_for_job(
            build_definitions(settings()).resolve_job_def(keys.DAILY_JOB), tags=range_tags("2026-11-22", "2026-11-22"),
            status=dg.DagsterRunStatus.STARTED,
        )  # fmt: skip
        materialised(instance, keys.MART, ["2026-11-22-20:00"])
        assert asked("2026-11-25T05:25") == []
        assert busy_hours(instance) == set(), "a run of days is no run of hours"


def test_every_page_that_shows_a_day_is_written_again_when_hours_of_it_are_loaded(settings, monkeypatch):
    """A page has seven days: its own and six before it, of which the first may be older than any day that is told."""
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", "2026-10-01T00:00")
    now, days = datetime(2026, 11, 25, 5, 25, tzinfo=UTC), day_range(date(2026, 10, 20), date(2026, 11, 24))
    with dg.instance_for_test() as instance:

        def due(day: date) -> list[date]:
            """The days that are due once an hour of this one is loaded; all are told then."""
            materialised(instance, keys.MART, [partition_key(hours_of_day(day, "UTC")[5])])
            found = due_days(instance, settings(), now)
            for key in (keys.USER_DAILY, keys.FLEET_REPORT):
                materialised(instance, key, list(map(day_key, found)))
            return found

        materialised(instance, keys.MART, [partition_key(hours_of_day(day, "UTC")[5]) for day in days])
        for key in (keys.USER_DAILY, keys.FLEET_REPORT):
            materialised(instance, key, list(map(day_key, days)))
        assert due_days(instance, settings(), now) == []
        assert due(date(2026, 11, 3)) == day_range(date(2026, 11, 3), date(2026, 11, 9))
        assert due(date(2026, 11, 22)) == day_range(date(2026, 11, 22), date(2026, 11, 24))
        # 31 days are told by themselves: from 25 October on. Their pages begin before that.
        assert due(date(2026, 10, 21)) == day_range(date(2026, 10, 25), date(2026, 10, 27))
        assert due_days(instance, settings(), now) == []


def test_before_the_first_partition_a_tick_is_skipped_with_a_reason(settings, monkeypatch):
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", "2027-01-01T00:00")
    with dg.instance_for_test() as instance:
        schedule = build_definitions(settings()).resolve_schedule_def(keys.SCHEDULE)
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=datetime(2026, 12, 31, tzinfo=UTC) + timedelta(hours=23)
        )
        result = schedule.evaluate_tick(context)
    assert not result.run_requests
    assert "2027-01-01 00:00 UTC, hasn't begun" in result.skip_message


def test_what_dagster_shows_of_the_resources_holds_no_secret(settings):
    definitions = build_definitions(settings())
    shown = [
        f"{resource!r} {resource._resolved_config_dict if hasattr(resource, '_resolved_config_dict') else ''}"
        for resource in (definitions.resources or {}).values()
    ]
    assert SECRET not in " ".join(shown)


def test_importing_the_package_reads_no_environment_and_connects_to_nothing(tmp_path):
    code = (
        "import os, socket\n"
        "class Env(dict):\n"
        "    def __getitem__(self, k): assert not k.startswith(('BIONICPRO_', 'ETL_')), k; return super().__getitem__(k)\n"
        "    def get(self, k, d=None): assert not k.startswith(('BIONICPRO_', 'ETL_')), k; return super().get(k, d)\n"
        "os.environ = Env(os.environ)\n"
        "def connect(*a): raise AssertionError('connects')\n"
        "socket.socket.connect = connect\n"
        "import bionicpro_assets.definitions, sys\n"
        "assert 'matplotlib' not in sys.modules, 'it takes a third of a second, and nothing is drawn'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr


def test_personal_columns_are_columns_that_exist():
    from bionicpro_assets.defs.crm import LINEAGE as CRM
    from bionicpro_assets.defs.reports import LINEAGE as MART

    assert set(CRM) | set(MART) >= PERSONAL
