"""The jobs with a form: what is asked for is what is loaded, checked or corrected."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.hours import floor_hour, partition_key
from bionicpro_assets.runs import hours_of_run
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.platform import Platform

pytestmark = pytest.mark.filterwarnings("ignore")
OPEN = floor_hour(datetime.now(UTC))


def ago(hours: int) -> datetime:
    return OPEN - timedelta(hours=hours)


def at(hour: datetime) -> str:
    return f"{hour:%Y-%m-%dT%H:%M}"


class Operator:
    """Fills in forms, and does what the daemon does with them."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.instance = platform, platform.instance
        self.definitions = build_definitions(Settings.load(), retries=False)

    def launch(self, job: str, **form: Any) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            run_config=form, instance=self.instance, raise_on_error=False
        )

    def ask(self, job: str, **form: Any) -> list[dg.RunRequest]:
        done = self.launch(job, **form)
        assert done.success
        (event,) = [e for e in done.all_events if e.event_type == dg.DagsterEventType.RUN_SUCCESS]
        context = dg.build_run_status_sensor_context(
            keys.OPERATOR_SENSOR, dagster_event=event, dagster_instance=self.instance, dagster_run=done.dagster_run
        )
        sensor: Any = self.definitions.resolve_sensor_def(keys.OPERATOR_SENSOR)
        return list(sensor(context))

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        assert request.job_name
        return self.definitions.resolve_job_def(request.job_name).execute_in_process(
            run_config=request.run_config, tags=request.tags, instance=self.instance, raise_on_error=False
        )


@pytest.fixture
def operator(clean_environment, platform, monkeypatch) -> Operator:
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    return Operator(platform)


def test_a_form_left_as_it_is_refreshes_now(operator, platform, sources):
    sources.add_wearer("C1", "anna")
    for hours in range(5):
        sources.add_hour("C1", ago(hours))
    (request,) = operator.ask(keys.LOAD_JOB)
    assert request.job_name == keys.JOB
    assert operator.run(request).success
    assert platform.mart() == sources.expected_mart(ago(2), OPEN)


def test_a_period_is_cut_as_a_backfill_is(operator, monkeypatch):
    monkeypatch.setenv("BIONICPRO_HOURS_PER_RUN", "4")
    operator = Operator(operator.platform)
    requests = operator.ask(keys.LOAD_JOB, first_hour=at(ago(20)), last_hour=at(ago(10)))
    asked = [hours_of_run(request.tags) for request in requests]
    assert [len(hours) for hours in asked] == [4, 4, 3]
    assert [hour for hours in asked for hour in hours] == [ago(hours) for hours in range(20, 9, -1)]
    assert len({request.run_key for request in requests}) == 3
    assert {int(request.tags["dagster/priority"]) for request in requests} == {8}


@pytest.mark.parametrize(
    ("job", "form", "said"),
    [
        (keys.LOAD_JOB, {"first_hour": "yesterday"}, "yesterday"),
        (keys.LOAD_JOB, {"first_hour": at(ago(2)), "last_hour": at(ago(3))}, "is after the last one"),
        (keys.CHECK_JOB, {"last_hour": at(ago(-2))}, "hasn't begun"),
        (keys.CORRECT_JOB, {"first_hour": "", "last_hour": at(OPEN)}, "name the first and the last"),
    ],
)
def test_a_form_that_is_wrong_says_so_and_asks_for_nothing(operator, job, form, said):
    result = operator.launch(job, **form)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert said in failure.step_failure_data.user_failure_data.description


def test_a_period_is_checked_without_being_loaded(operator, platform, sources):
    sources.add_wearer("C1", "anna")
    hours = [ago(6), ago(5)]
    for hour in hours:
        sources.add_hour("C1", hour)
    platform.load(*hours)
    platform.clickhouse.command(
        "ALTER TABLE storage.user_prosthesis_stats UPDATE movements_count = 1 WHERE hour_start = "
        f"toDateTime({int(hours[0].timestamp())}, 'UTC') SETTINGS mutations_sync = 1"
    )
    loads = len(platform.instance.fetch_materializations(keys.MART, limit=100).records)
    (request,) = operator.ask(keys.CHECK_JOB, first_hour=at(hours[0]), last_hour=at(hours[1]))
    result = operator.run(request)
    told = {
        (e.asset_check_evaluation_data.check_name, e.asset_check_evaluation_data.partition)
        for e in result.all_events
        if e.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION and not e.asset_check_evaluation_data.passed
    }
    assert ("reports_are_as_published", partition_key(hours[0])) in told
    assert ("reports_are_as_published", partition_key(hours[1])) not in told
    assert len(platform.instance.fetch_materializations(keys.MART, limit=100).records) == loads


def test_wearers_are_corrected_for_the_chips_named(operator, platform, sources):
    for chip, user in (("C1", "anna"), ("C2", "boris")):
        sources.add_wearer(chip, user)
        sources.add_hour(chip, ago(3))
    sources.add_wearer(None, "vera")
    platform.load(ago(3), ago(3))
    moved = (
        "UPDATE crm.prostheses SET customer_id = (SELECT customer_id FROM crm.customers WHERE external_id = 'vera') "
    )
    sources.in_crm(moved + "WHERE chip_id IN ('C1', 'C2')")
    (request,) = operator.ask(keys.CORRECT_JOB, first_hour=at(ago(3)), last_hour=at(ago(3)), chips=["C1"])
    assert operator.run(request).success
    assert {(row[2], row[0]) for row in platform.mart()} == {("C1", "vera"), ("C2", "boris")}
