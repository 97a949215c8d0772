"""Dagster's record of a run over many hours: written in batches, it says what Dagster's own storage says."""

import shutil
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from sqlalchemy import select

from bionicpro_assets.event_log import BATCH_SIZE_VARIABLE, BatchedSqliteEventLogStorage, configuration
from bionicpro_assets.instance import PROJECT
from bionicpro_assets.runs import range_tags

HOURS = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", end_date="2026-01-03-00:00")
KEYS = HOURS.get_partition_keys()


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
        yield dg.AssetCheckResult(passed=True, asset_key="first", check_name="holds")
        yield dg.AssetCheckResult(passed=False, asset_key="first", check_name="breaks")

    return dg.Definitions(assets=[first, second], asset_checks=[checks], jobs=[dg.define_asset_job("all")])


def run(instance: dg.DagsterInstance) -> str:
    job = definitions().resolve_job_def("all")
    return job.execute_in_process(instance=instance, tags=range_tags(KEYS[0], KEYS[-1])).run_id


def record(instance: dg.DagsterInstance, run_id: str) -> dict[str, object]:
    """What the UI and the daemon ask an instance about a run and its assets, without numbers and times."""
    found: dict[str, object] = {
        "events": sorted(str(e.dagster_event.event_type_value) for e in instance.all_logs(run_id) if e.dagster_event)
    }
    for name in ("first", "second"):
        key = dg.AssetKey(name)
        records = instance.fetch_materializations(key, limit=1000).records
        found[name] = [(r.partition_key, r.asset_materialization.metadata) for r in records if r.asset_materialization]
        found[f"{name} counted"] = instance.get_materialized_partitions(key)
        newest = instance.get_latest_materialization_event(key)
        found[f"{name} newest"] = newest and newest.dagster_event and newest.dagster_event.partition
        found[f"{name} known"] = key in instance.all_asset_keys()
        found[f"{name} tags"] = [sorted(t) for t in instance.get_event_tags_for_asset(key)]
        planned = instance.get_latest_planned_materialization_info(key)
        found[f"{name} planned"] = planned is not None and planned.run_id == run_id
    check = dg.AssetCheckKey(dg.AssetKey("first"), "breaks")
    evaluations = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    found["check"] = [(r.status, r.partition, r.run_id == run_id) for r in evaluations]
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The same run as Dagster's own storage records it, and this one."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BATCH_SIZE_VARIABLE, "64")
        for name in ("dagster", "batched"):
            home = tmp_path_factory.mktemp(name)
            shutil.copy(PROJECT / "dagster.yaml", home)
            if name == "batched":
                with (home / "dagster.yaml").open("a") as file:
                    file.write(configuration(home))
            with dg.DagsterInstance.from_config(str(home)) as instance:
                storage = instance.event_log_storage
                assert isinstance(storage, BatchedSqliteEventLogStorage) == (name == "batched")
                run_id = run(instance)
                with storage.index_connection() as connection:
                    planned = select(AssetCheckExecutionsTable.c.execution_status)
                    checks = sorted(row[0] for row in connection.execute(planned))
                    ids = [row[0] for row in connection.execute(select(SqlEventLogStorageTable.c.id))]
                found[name] = record(instance, run_id), checks, ids
    return found


def test_what_is_recorded_is_the_same(recorded):
    assert len(recorded["batched"][0]["first"]) == len(KEYS) == 48
    assert recorded["batched"][0] == recorded["dagster"][0]


def test_every_event_of_an_asset_has_a_number_of_its_own(recorded):
    ids = recorded["batched"][2]
    assert len(set(ids)) == len(ids) == len(recorded["dagster"][2])


def test_no_check_stays_planned_for_hours_that_it_is_never_evaluated_for(recorded):
    assert recorded["batched"][1] == ["FAILED", "SUCCEEDED"]
    assert recorded["dagster"][1].count("PLANNED") == 2 * len(KEYS), "what this is for"
