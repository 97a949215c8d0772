"""The IO manager with assets of somebody else: what it stores, what it refuses, and what the documents have as example."""

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from bionicpro_assets import sqlfiles
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly
from bionicpro_assets.defs.io_manager import ClickHouseIOManager, refuse_unfit
from bionicpro_assets.defs.maintenance import maintenance
from bionicpro_assets.defs.resources import clickhouse_resources, source_resources
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, floor_hour, hour_range, partition_key
from bionicpro_assets.load.columns import hourly_tables, own_columns
from bionicpro_assets.load.table import Published
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.integration.platform import Platform

OPEN = floor_hour(datetime.now(UTC))
FIRST, LAST = OPEN - 4 * HOUR, OPEN - 2 * HOUR
HOURS = hour_range(FIRST, LAST)
# Some time ago at any minute, and after the last of the hours.
READ = OPEN - HOUR / 2
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAME = "reports.model_hours"
KEY = dg.AssetKey(["reports", "model_hours"])
PARTITIONS = Hourly(FIRST).partitions
TO_CLICKHOUSE: dict[str, Any] = {"key": KEY, "io_manager_key": keys.CLICKHOUSE_IO_MANAGER}
BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
pytestmark = pytest.mark.filterwarnings("ignore")


def forget() -> None:
    """What was read of the files under `sql/` before."""
    hourly_tables.cache_clear()
    own_columns.cache_clear()


@pytest.fixture
def own_table(platform: Platform, tmp_path: Path, monkeypatch) -> Iterator[Platform]:
    """The platform with the example's three SQL files beside its own; the test writes hourly_stats itself."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    folder = tmp_path / "sql"
    shutil.copytree(sqlfiles.SQL_ROOT, folder)
    for file in EXAMPLES.glob("*.sql"):
        shutil.copy(file, folder / "clickhouse" / "schema")
    monkeypatch.setattr(sqlfiles, "SQL_ROOT", folder)
    forget()
    apply_clickhouse_schema(platform.clickhouse)
    yield platform
    monkeypatch.undo()
    forget()


def run(
    platform: Platform,
    *assets: dg.AssetsDefinition,
    hours: list[datetime] | None = HOURS,
    selection: Any = None,
    partition: str | None = None,
) -> str:
    """A run of the assets over the hours, or of no partition; what it failed with, or nothing."""
    clickhouse = clickhouse_resources()
    span = [("start", hours[0]), ("end", hours[-1])] if hours else []
    result = dg.materialize(
        list(assets),
        instance=platform.instance,
        resources={
            **clickhouse,
            keys.CLICKHOUSE_IO_MANAGER: ClickHouseIOManager(clickhouse=clickhouse[keys.CLICKHOUSE], batch_size=1000),
        },
        selection=selection,
        partition_key=partition,
        tags={} if partition else {f"dagster/asset_partition_range_{at}": partition_key(hour) for at, hour in span},
        raise_on_error=False,
    )
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join((f.user_failure_data.description or "") if f.user_failure_data else str(f.error) for f in failures)


def rows_of(hours: list[datetime], **columns: Any) -> pl.DataFrame:
    made = {"hour_start": hours, "prosthesis_model": "Hand", "prostheses": 1, "movements_count": 100, **columns}
    return pl.DataFrame(made, schema_overrides={"hour_start": pl.Datetime("us", "UTC")})


def stored(rows: Any, read_at: datetime | None = None, **options: Any) -> Any:
    """An asset that returns this, as it is, or rows with the instant at which their hours were read."""

    @dg.asset(
        **{
            **TO_CLICKHOUSE,
            "partitions_def": PARTITIONS,
            "backfill_policy": dg.BackfillPolicy.single_run(),
            **options,
        }
    )
    def made():
        return HourlyFrame(rows, dict.fromkeys(HOURS, read_at or READ)) if isinstance(rows, pl.DataFrame) else rows

    return made


def visible(platform: Platform) -> list[tuple[Any, ...]]:
    query = (
        f"SELECT toUnixTimestamp(hour_start), prosthesis_model, prostheses, movements_count FROM {NAME} ORDER BY ALL"
    )
    return [tuple(row) for row in platform.clickhouse.rows(query)[1]]


def as_read(hours: list[datetime], movements: int = 100) -> list[tuple[Any, ...]]:
    return [(int(hour.timestamp()), "Hand", 1, movements) for hour in hours]


# The example of the documents.


def example() -> Any:
    spec = importlib.util.spec_from_file_location("model_hours", EXAMPLES / "model_hours.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model_hours(Hourly(FIRST))


def mart_spec() -> dg.AssetSpec:
    return dg.AssetSpec(keys.MART, partitions_def=PARTITIONS).with_io_manager_key(keys.CLICKHOUSE_IO_MANAGER)


def test_the_example_of_the_documents(own_table, sources):
    for chip in ("C1", "C2", "C3"):
        sources.add_wearer(chip, chip.lower())
        for number, hour in enumerate(HOURS):
            sources.add_hour(chip, hour, movements_count=100 + number)
    own_table.load(FIRST, LAST)
    asset = example()
    assert sorted(hourly_tables()) == sorted([*map(keys.table_name, keys.PUBLISHED), NAME])
    refuse_unfit([asset])
    assert run(own_table, mart_spec(), asset, selection=[KEY]) == ""
    ((model, *_),) = {row[1:2] for row in visible(own_table)}
    assert visible(own_table) == [
        (int(hour.timestamp()), model, 3, 3 * (100 + number)) for number, hour in enumerate(HOURS)
    ]
    # Loaded again, an hour has its new rows and no others.
    sources.in_telemetry(
        "UPDATE telemetry.hourly_stats SET movements_count = 500, updated_at = now() WHERE chip_id = 'C1'"
    )
    own_table.load(FIRST, LAST)
    assert run(own_table, mart_spec(), asset, selection=[KEY]) == ""
    assert [row[2:] for row in visible(own_table)] == [(3, 500 + 2 * (100 + number)) for number in range(len(HOURS))]


def test_its_replaced_rows_are_swept_and_what_stands_is_looked_at(own_table):
    assert run(own_table, stored(rows_of(HOURS))) == ""
    assert run(own_table, stored(rows_of(HOURS, movements_count=7), READ + timedelta(minutes=1))) == ""
    settings = Settings.load().model_copy(update={"sweep_grace_hours": 0})
    job = dg.Definitions.merge(
        maintenance(settings), dg.Definitions(resources={**clickhouse_resources(), **source_resources()})
    ).resolve_job_def(keys.SWEEP_JOB)
    result = job.execute_in_process(instance=own_table.instance)
    assert result.success
    count = "SELECT count() FROM storage.model_hours"
    assert own_table.clickhouse.rows(count)[1] == [(len(HOURS),)]
    assert visible(own_table) == as_read(HOURS, 7)
    own_table.clickhouse.command("DELETE FROM storage.model_hours WHERE 1")
    result = job.execute_in_process(instance=own_table.instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert f"{NAME}: no job of this platform loads it" in str(evaluation.metadata) + str(evaluation.description)


# What comes out of an asset.


def test_an_hour_is_replaced_and_the_newer_read_stays(own_table):
    assert run(own_table, stored(rows_of(HOURS))) == ""
    assert run(own_table, stored(rows_of(HOURS, movements_count=7), READ - timedelta(minutes=1))) == ""
    assert visible(own_table) == as_read(HOURS)
    assert run(own_table, stored(rows_of(HOURS[:1], movements_count=7), READ + timedelta(seconds=1))) == ""
    assert visible(own_table) == as_read(HOURS[:1], 7), "hours without rows are known to be empty"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (rows_of(HOURS).to_dicts(), "returned a value of the type list"),
        (42, "returned a value of the type int"),
        (rows_of(HOURS).drop("movements_count"), "column movements_count is missing"),
        (rows_of(HOURS).with_columns(more=1), "column more is not in the table"),
        (rows_of(HOURS, prostheses="one"), "column prostheses is String and the table has UInt32"),
        (rows_of(HOURS, prostheses=-1), "column prostheses (UInt32): 3 values outside 0 to 4294967295, like -1"),
        (rows_of(HOURS, prosthesis_model=None), "column prosthesis_model is Null"),
        (rows_of([FIRST - HOUR]), "2"),
        (HourlyFrame(rows_of(HOURS[:1]), {FIRST: OPEN}), "the rows are those of reports.model_hours for"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_in_a_sentence(own_table, made, says):
    said = run(own_table, stored(made))
    assert says in said
    assert "Error" not in said
    assert visible(own_table) == []


# What goes into an asset.


def reading(annotation: Any, columns: list[str] | None, taken: list[Any]) -> dg.AssetsDefinition:
    def read(found):
        taken.append(found)

    read.__annotations__ = {"found": annotation} if annotation else {}
    return dg.asset(
        name="reads",
        partitions_def=PARTITIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"found": dg.AssetIn(KEY, metadata={"columns": columns} if columns else None)},
        io_manager_def=dg.mem_io_manager,
    )(read)


def test_an_input_is_what_its_annotation_says(own_table):
    rows, taken = stored(rows_of(HOURS)), []
    assert run(own_table, rows) == ""
    for annotation in (pl.DataFrame, HourlyFrame, Published, None):
        assert run(own_table, rows, reading(annotation, None, taken), selection=["reads"]) == ""
    frame, hourly, published, unsaid = taken
    assert frame.sort("hour_start").rows() == [(hour, "Hand", 1, 100) for hour in HOURS]
    assert hourly.rows.equals(frame)
    assert hourly.read_at == dict.fromkeys(HOURS, READ)
    assert list(published.entries) == list(unsaid.entries) == HOURS
    assert "annotated as dict" in run(own_table, rows, reading(dict, None, taken), selection=["reads"])


@pytest.mark.parametrize("together", [True, False])
def test_columns_of_an_input_are_checked_and_hour_start_comes_along(own_table, together):
    rows, taken = stored(rows_of(HOURS)), []
    assert run(own_table, rows) == ""
    selection = None if together else ["reads"]
    assert run(own_table, rows, reading(pl.DataFrame, ["movements_count"], taken), selection=selection) == ""
    assert taken[0].columns == ["hour_start", "movements_count"]
    said = run(own_table, rows, reading(pl.DataFrame, ["movements", "hour"], taken), selection=selection)
    assert f"{NAME} has no column hour, movements. It has hour_start, prosthesis_model" in said


def test_an_hour_that_was_never_loaded_is_missing_and_not_empty(own_table):
    rows = stored(rows_of(HOURS))
    said = run(own_table, rows, reading(pl.DataFrame, None, []), selection=["reads"])
    assert "was never loaded for" in said


def test_a_day_reads_its_hours(own_table):
    """An asset of other partitions may read them, and the hours it gets are those that its partitions mean."""
    day, taken = (OPEN - timedelta(days=1)).replace(hour=0), []
    asked = hour_range(day - HOUR, day + 24 * HOUR)
    rows = stored(HourlyFrame(rows_of(asked), dict.fromkeys(asked, OPEN)), partitions_def=Hourly(asked[0]).partitions)

    @dg.asset(  # type: ignore[untyped-decorator]
        partitions_def=dg.DailyPartitionsDefinition(day),
        io_manager_def=dg.mem_io_manager,
        ins={"found": dg.AssetIn(KEY)},
    )
    def reads(found: pl.DataFrame) -> None:
        taken.append(found)

    assert run(own_table, rows, hours=asked) == ""
    assert run(own_table, rows, reads, selection=["reads"], partition=f"{day:%Y-%m-%d}") == ""
    assert sorted(taken[0]["hour_start"]) == asked[1:-1]


def test_an_asset_of_its_own_hour_before(own_table):
    """A running total: the first hour has nothing before it."""

    @dg.asset(  # type: ignore[untyped-decorator]
        **TO_CLICKHOUSE,
        partitions_def=PARTITIONS,
        backfill_policy=dg.BackfillPolicy.multi_run(1),
        ins={"before": dg.AssetIn(KEY, partition_mapping=BEFORE)},
    )
    def total(context: dg.AssetExecutionContext, before: pl.DataFrame) -> HourlyFrame:
        (hour,) = (datetime.strptime(k, PARTITIONS.fmt).replace(tzinfo=UTC) for k in context.partition_keys)
        return HourlyFrame(rows_of([hour], movements_count=before["movements_count"].sum() + 1), {hour: OPEN})

    refuse_unfit([total])
    for number, hour in enumerate(HOURS, 1):
        assert run(own_table, total, hours=[hour]) == ""
        assert visible(own_table)[-1] == (int(hour.timestamp()), "Hand", 1, number)
    # Several hours in a run would be made of what was there before it.
    assert "an hour a run" in run(own_table, total, hours=HOURS)


# What can't be stored by the hour.


def unfit(**options: Any) -> Any:
    @dg.asset(**{**TO_CLICKHOUSE, **options})
    def made():
        return None

    return made


OTHERS = {
    "without partitions": {},
    "by the day": {"partitions_def": dg.DailyPartitionsDefinition("2026-01-01")},
    "static": {"partitions_def": dg.StaticPartitionsDefinition(["a", "b"])},
    "dynamic": {"partitions_def": dg.DynamicPartitionsDefinition(name="any")},
    "in two dimensions": {
        "partitions_def": dg.MultiPartitionsDefinition(
            {"hour": PARTITIONS, "kind": dg.StaticPartitionsDefinition(["a"])}
        )
    },
    "of another zone": {"partitions_def": dg.HourlyPartitionsDefinition("2026-01-01-00:00", timezone="Europe/Moscow")},
    "at half past": {
        "partitions_def": dg.HourlyPartitionsDefinition("2026-01-01-00:30", minute_offset=30, fmt=PARTITIONS.fmt)
    },
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS.keys())
def test_other_partitions_are_refused_when_the_code_is_loaded(own_table, options):
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="reports/model_hours: .* stores assets by the UTC hour"):
        refuse_unfit([unfit(**options)])


def test_all_that_is_unfit_is_said_at_once(own_table):
    nowhere = unfit(partitions_def=PARTITIONS, key=dg.AssetKey(["reports", "nowhere"]))
    deep = unfit(partitions_def=PARTITIONS, key=dg.AssetKey(["a", "b", "c"]))
    itself = dg.asset(
        **TO_CLICKHOUSE, partitions_def=PARTITIONS, ins={"before": dg.AssetIn(KEY, partition_mapping=BEFORE)}, name=None
    )(lambda before: before)
    with pytest.raises(dg.DagsterInvalidDefinitionError) as refused:
        refuse_unfit([nowhere, deep, itself])
    said = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in said] == ["reports/nowhere", "a/b/c", "reports/model_hours"]
    assert "no view of the name reports.nowhere" in said[0]
    assert "BackfillPolicy.multi_run(1)" in said[2]


def test_an_asset_without_partitions_is_refused_in_the_run_too(own_table):
    assert "is stored by the hour: name a partition" in run(own_table, unfit_with_rows(), hours=None)


def unfit_with_rows() -> Any:
    @dg.asset(**TO_CLICKHOUSE)
    def made():
        return HourlyFrame(rows_of(HOURS), dict.fromkeys(HOURS, READ))

    return made


def test_the_output_of_an_op_is_refused(own_table):
    @dg.op(out=dg.Out(io_manager_key=keys.CLICKHOUSE_IO_MANAGER))
    def made():
        return HourlyFrame(rows_of(HOURS), dict.fromkeys(HOURS, READ))

    @dg.job
    def of_ops():
        made()

    clickhouse = clickhouse_resources()
    resources = {
        **clickhouse,
        keys.CLICKHOUSE_IO_MANAGER: ClickHouseIOManager(clickhouse=clickhouse[keys.CLICKHOUSE], batch_size=1000),
    }
    result = of_ops.execute_in_process(resources=resources, instance=own_table.instance, raise_on_error=False)
    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert "stores assets, and this is the output of an op" in failure.user_failure_data.description


def test_an_asset_that_returns_nothing_stores_nothing(own_table):
    @dg.asset(  # type: ignore[untyped-decorator]
        **TO_CLICKHOUSE, partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run()
    )
    def made() -> None:
        return None

    assert run(own_table, made) == ""
    assert visible(own_table) == []
