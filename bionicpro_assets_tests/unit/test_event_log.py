"""Dagster's record of a run over many hours: written in batches, it says what Dagster's own storage says."""

import json
import re
import shutil
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value
from sqlalchemy import select

from bionicpro_assets.event_log import BATCH_SIZE_VARIABLE
from bionicpro_assets.runs import range_tags
from bionicpro_assets.sqlfiles import PROJECT
from bionicpro_assets.sqlite_storage import EventLogStorage, configuration

HOURS = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", end_date="2026-01-03-00:00")
KEYS = HOURS.get_partition_keys()
# How long something took, in messages.
DIGITS = re.compile(r"\d[\d.]*(ms|s)?\.?")


def definitions() -> dg.Definitions:
    @dg.asset(partitions_def=HOURS)
    def first(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        for key in context.partition_keys:
            context.add_asset_metadata({"hour": key}, partition_key=key)
        return dg.MaterializeResult(tags={"a": "tag"})

    @dg.asset(deps=[first], partitions_def=HOURS)
    def second() -> None: ...

    @dg.multi_asset_check(specs=[dg.AssetCheckSpec("holds", asset="first"), dg.AssetCheckSpec("breaks", asset="first")])
    def checks() -> Iterator[dg.AssetCheckResult]:
        yield dg.AssetCheckResult(passed=True, asset_key="first", check_name="holds", metadata={"checked": 7})
        yield dg.AssetCheckResult(passed=False, asset_key="first", check_name="breaks", description="It doesn't.")

    return dg.Definitions(assets=[first, second], asset_checks=[checks], jobs=[dg.define_asset_job("all")])


def run(instance: dg.DagsterInstance) -> str:
    job = definitions().resolve_job_def("all")
    return job.execute_in_process(instance=instance, tags=range_tags(KEYS[0], KEYS[-1])).run_id


def record(instance: dg.DagsterInstance, run_id: str) -> dict[str, object]:
    """What the UI and the daemon ask an instance about a run and its assets, without numbers and times."""
    storage = instance.event_log_storage
    entries = instance.all_logs(run_id)
    steps = instance.get_run_step_stats(run_id)
    statistics = storage.get_stats_for_run(run_id)
    found: dict[str, object] = {
        "events": [(e.dagster_event_type, e.step_key, e.level, DIGITS.sub("", e.message)) for e in entries],
        "steps": sorted((s.step_key, s.status, len(s.materialization_events)) for s in steps),
        "counted": (statistics.steps_succeeded, statistics.steps_failed, statistics.materializations),
        "of the run": storage.get_asset_partitions_for_run(run_id),
        "ended": [
            r.run_id == run_id for r in instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, 9).records
        ],
    }
    for name in ("first", "second"):
        key = dg.AssetKey(name)
        records = instance.fetch_materializations(key, limit=1000).records
        found[name] = [(r.partition_key, r.asset_materialization.metadata) for r in records if r.asset_materialization]
        found[f"{name} counted"] = instance.get_materialized_partitions(key)
        numbers = storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        found[f"{name} by partition"] = sorted(numbers, key=numbers.__getitem__)
        newest = instance.get_latest_materialization_event(key)
        found[f"{name} newest"] = newest and newest.dagster_event and newest.dagster_event.partition
        (known,) = instance.get_asset_records([key])
        found[f"{name} known"] = known.asset_entry.last_run_id == run_id, key in instance.all_asset_keys()
        found[f"{name} tags"] = [sorted(t) for t in instance.get_event_tags_for_asset(key)]
        planned = instance.get_latest_planned_materialization_info(key)
        found[f"{name} planned"] = planned is not None and planned.run_id == run_id
    checks = [dg.AssetCheckKey(dg.AssetKey("first"), name) for name in ("holds", "breaks")]
    latest = storage.get_latest_asset_check_execution_by_key(checks)
    summaries = storage.get_asset_check_summary_records(checks)
    for check in checks:
        history = storage.get_asset_check_execution_history(check, limit=1)
        for record in (*history, latest[check], summaries[check].last_check_execution_record):
            assert record is not None
            assert record.event is not None
            assert record.event.dagster_event is not None
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            of_last = numbers_of(instance, evaluation.asset_key)[-1]
            target = evaluation.target_materialization_data
            said = (
                evaluation.passed,
                evaluation.description,
                evaluation.metadata,
                target and target.storage_id == of_last,
            )
            found.setdefault(check.name, []).append((record.status, record.partition, record.run_id == run_id, said))  # type: ignore[attr-defined]
    return found


def numbers_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[int]:
    """The numbers of an asset's materialisations, in order."""
    return [r.storage_id for r in instance.fetch_materializations(key, limit=1000, ascending=True).records]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The same run as Dagster's own storage records it, and this one."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BATCH_SIZE_VARIABLE, "64")
        for name in ("dagster", "ours"):
            home = tmp_path_factory.mktemp(name)
            shutil.copy(PROJECT / "dagster.yaml", home)
            if name == "ours":
                with (home / "dagster.yaml").open("a") as file:
                    file.write(configuration(home))
            with dg.DagsterInstance.from_config(str(home)) as instance:
                storage = instance.event_log_storage
                assert isinstance(storage, EventLogStorage) == (name == "ours")
                run_id = run(instance)
                with storage.index_connection() as connection:
                    planned = select(AssetCheckExecutionsTable.c.execution_status)
                    checks = sorted(row[0] for row in connection.execute(planned))
                    ids = [row[0] for row in connection.execute(select(SqlEventLogStorageTable.c.id))]
                found[name] = record(instance, run_id), checks, ids, instance.all_logs(run_id)
    return found


def test_what_is_recorded_is_the_same(recorded):
    assert len(recorded["ours"][0]["first"]) == len(KEYS) == 48
    assert recorded["ours"][0] == recorded["dagster"][0]


def test_every_event_has_a_number_of_its_own(recorded):
    ids = recorded["ours"][2]
    # Dagster's own has some of them in another file.
    assert len(set(ids)) == len(ids) == len(recorded["ours"][0]["events"]) > len(recorded["dagster"][2])


def test_no_check_stays_planned_for_hours_that_it_is_never_evaluated_for(recorded):
    assert recorded["ours"][1] == ["FAILED", "SUCCEEDED"]
    assert recorded["dagster"][1].count("PLANNED") == 2 * len(KEYS), "what this is for"


def test_an_event_says_its_message_once_and_no_tags_for_loggers(recorded):
    def twice(entries) -> int:
        return sum(
            serialize_value(e).count(json.dumps(e.message)) > 1 or bool(e.dagster_event.logging_tags) for e in entries
        )

    assert twice(recorded["ours"][3]) == 0
    assert twice(recorded["dagster"][3]) > len(KEYS), "what this is for"
