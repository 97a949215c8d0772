"""The claims in the real job, on real sources: what blocks, what is set aside, and what Dagster is told of it."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from bionicpro_assets.hours import HOUR, floor_hour, hour_range, partition_key
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.steps import mart
from bionicpro_assets.transform.join import Joined
from bionicpro_assets_tests.integration.conftest import configure, fresh_sources
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.sources import Sources
from bionicpro_assets_tests.quality.corruptions import BLOCKED, LONG, SENT, short_name

# The tests of this file are over sooner.
LONG_ENOUGH = timedelta(minutes=3)
CHIPS = [f"C{n:02d}" for n in range(1, 25)]
# What may be in nothing that Dagster is told: names, logins, addresses.
PERSONAL = re.compile(r"Анна|Иванова|Петровна|patient_|@|example\.org")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def hours() -> list[datetime]:
    """The open hour and the two before it. What the CRM loses is lost in the open one: it must not end meanwhile."""
    now = datetime.now(UTC)
    rest = floor_hour(now) + HOUR - now
    if rest < LONG_ENOUGH:
        time.sleep(rest.total_seconds() + 1)
    last = floor_hour(datetime.now(UTC))
    return hour_range(last - 2 * HOUR, last)


@pytest.fixture(scope="module")
def loaded(postgres_server, tmp_path_factory, hours) -> Iterator[tuple[Platform, Path]]:
    """24 chips, each with a wearer and three hours of telemetry; not loaded yet. One for all tests of this file."""
    folder = tmp_path_factory.mktemp("claims")
    with fresh_sources(postgres_server) as sources, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        fill(sources, hours)
        with Platform.open(sources, clickhouse) as platform:
            yield platform, folder


@pytest.fixture
def fleet(loaded, hours, clean_environment, monkeypatch) -> Platform:
    """The fleet, loaded. Every test leaves it healed."""
    platform: Platform = loaded[0]
    configure(monkeypatch, platform.sources, loaded[1])
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    if not platform.mart():
        platform.load(hours[0], hours[-1])
    return platform


@pytest.fixture
def sources(fleet) -> Sources:
    made: Sources = fleet.sources
    return made


# What the trigger keeps anybody from writing; of one chip, or of all.
CHANGED = """ALTER TABLE crm.prostheses DISABLE TRIGGER prostheses_updated_at;
UPDATE crm.prostheses SET updated_at = %s WHERE chip_id = coalesce(%s, chip_id);
ALTER TABLE crm.prostheses ENABLE TRIGGER prostheses_updated_at"""


def fill(sources: Sources, hours: list[datetime]) -> None:
    sources.in_crm("INSERT INTO crm.prosthesis_models (model_code, model_name, category) VALUES ('M', 'Model', 'hand')")
    sources.in_crm(
        "INSERT INTO crm.customers (external_id, first_name, last_name, email, region) SELECT 'patient_' || chip, 'Анна', "
        "'Иванова', chip || '@example.org', 'europe' FROM unnest(%(chips)s) chip",
        {"chips": CHIPS},
    )
    sources.in_crm(
        "INSERT INTO crm.prostheses (serial_number, model_id, customer_id, chip_id, status, updated_at) SELECT 'S-' || chip, "
        "(SELECT min(model_id) FROM crm.prosthesis_models), customer_id, chip, 'active', now() - interval '9 days' "
        "FROM unnest(%(chips)s) chip JOIN crm.customers ON external_id = 'patient_' || chip",
        {"chips": CHIPS},
    )
    for hour in hours:
        sources.add_hour("C01", hour)
        copy_hour(sources, hour, CHIPS[1:])


def copy_hour(sources, hour: datetime, chips: list[str]) -> None:
    """The hour of C01, for other chips."""
    columns = ", ".join(
        row[0]
        for row in sources.in_telemetry(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'telemetry' AND table_name = "
            "'hourly_stats' AND column_name NOT IN ('id', 'chip_id')"
        )
    )
    sources.in_telemetry(
        f"INSERT INTO telemetry.hourly_stats (chip_id, {columns}) SELECT chip, {columns} FROM telemetry.hourly_stats, "
        "unnest(%(chips)s) chip WHERE chip_id = 'C01' AND hour_start = %(hour)s",
        {"chips": chips, "hour": hour},
    )


def evaluations(platform) -> list[dg.AssetCheckEvaluation]:
    """Everything that Dagster was told of checks, oldest first; none of it names a person."""
    records = platform.instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))
    found = [r.event_log_entry.dagster_event.asset_check_evaluation_data for r in reversed(records)]
    for evaluation in found:
        said = json.dumps({k: str(v) for k, v in evaluation.metadata.items()}, ensure_ascii=False)
        assert not PERSONAL.search(f"{said} {evaluation.description}"), said
    return found


def latest(platform) -> dict[tuple[str, str | None], bool]:
    """By claim and partition, whether it held when it was evaluated last; the partition None is a run's whole."""
    tables = {table: short for short, table in LONG.items()}
    return {
        (f"{tables['.'.join(e.asset_key.path)]}.{e.check_name}", e.partition): e.passed for e in evaluations(platform)
    }


def failing(platform) -> set[str]:
    """The claims that didn't hold in the last run, whatever the hour."""
    return {name for (name, partition), passed in latest(platform).items() if partition is None and not passed}


def test_all_claims_hold_on_clean_rows_and_dagster_is_told(fleet, hours):
    found = evaluate(fleet.clickhouse, claims(Settings.load()), hours)
    assert [str(v) for v in found if not v.passed] == []
    assert failing(fleet) == set()
    told = {name for name, _ in latest(fleet)}
    expected = {short_name(claim) for claim in claims(Settings.load())}
    assert told == expected | {
        "crm.view_as_contracted",
        "crm.values_can_be_kept",
        "crm.rows_can_be_kept",
        "telemetry.view_as_contracted",
        "telemetry.no_hour_ahead",
        "mart.reports_are_as_published",
    }


def test_what_the_sources_send_is_set_aside_or_told_and_comes_back(fleet, hours, sources):
    """All lines in one hour: each corrupts the row, or the wearer, of a chip of its own."""
    # Enough chips that three of them without a wearer aren't too many.
    chips = dict(zip(CHIPS, SENT, strict=False))
    before = {row for row in fleet.mart() if row[4] != hours[1].hour}
    for chip, line in chips.items():
        columns = {
            k: v
            for k, v in line.columns.items()
            if k not in ("unknown", "nameless", "contested", "changed", "number", "ahead", "updated_at")
        }
        if columns:
            sources.add_hour(chip, hours[1], **columns)
        if "updated_at" in line.columns:
            sources.in_telemetry(
                "UPDATE telemetry.hourly_stats SET updated_at = now() + interval '1 day' WHERE chip_id = %s AND hour_start = %s",
                (chip, hours[1]),
            )
        if "unknown" in line.columns:
            sources.in_telemetry(
                "INSERT INTO telemetry.hourly_stats (chip_id, hour_start) VALUES ('X1', %s)", (hours[1],)
            )
        if "nameless" in line.columns:
            sources.in_crm(
                "UPDATE crm.customers SET first_name = '', last_name = ' ' WHERE external_id = %s", (f"patient_{chip}",)
            )
        if "changed" in line.columns:
            sources.in_crm(CHANGED, (line.columns["changed"], chip))
        if "ahead" in line.columns:
            sources.add_hour("X5", hours[-1] + 5 * HOUR)
        if "number" in line.columns:
            sources.add_wearer("X4", "patient_X4")
            sources.in_crm(
                "UPDATE crm.prostheses SET prosthesis_id = %s WHERE chip_id = 'X4'", (line.columns["number"],)
            )
        if "contested" in line.columns:
            sources.add_wearer("X2", "patient_X2")
            sources.in_telemetry(
                "INSERT INTO telemetry.hourly_stats (chip_id, hour_start) VALUES ('X2', %s)", (hours[1],)
            )
            sources.in_crm("ALTER TABLE crm.prostheses DROP CONSTRAINT prostheses_chip_id_key")
            sources.add_wearer("X2", "patient_X3")
    fleet.load(hours[0], hours[-1])

    caught = {name for line in chips.values() for name in line.caught.split()}
    assert failing(fleet) == caught
    told = latest(fleet)
    assert {name for name in caught if told.get((name, partition_key(hours[1])), True)} == set()
    assert told[("mart.nothing_lost_nothing_doubled", None)]
    _, rows = fleet.clickhouse.rows(
        "SELECT chip_id, reason FROM quarantine.rejected_telemetry WHERE toUnixTimestamp(hour_start) = {h:UInt32}",
        {"h": int(hours[1].timestamp())},
    )
    named = {"unknown": "X1", "contested": "X2"}
    for chip, line in chips.items():
        where = next((named[c] for c in line.columns if c in named), chip)
        reasons = dict(rows).get(where)
        if line.set_aside is None:
            assert reasons is None, line.words
        else:
            assert line.set_aside in reasons, line.words
    kept = {row[2] for row in fleet.mart(f"report_hour = {hours[1].hour}")}
    assert kept == set(CHIPS) - {chip for chip, reason in rows}

    # The sources are corrected: everything moves to the reports, and the claims hold again, hour by hour.
    sources.in_crm("UPDATE crm.customers SET first_name = 'Анна', last_name = 'Иванова' WHERE last_name = ' '")
    sources.in_crm("DELETE FROM crm.prostheses WHERE chip_id IN ('X2', 'X4')")
    sources.in_crm(CHANGED, ("2026-01-01 00:00+00", None))
    sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE chip_id LIKE 'X%'")
    for chip in chips:
        sources.add_hour(chip, hours[1])
    fleet.load(hours[0], hours[-1])
    assert failing(fleet) == set()
    assert {name for name in caught if not latest(fleet)[(name, partition_key(hours[1]))]} == set()
    assert fleet.clickhouse.rows("SELECT count() FROM quarantine.rejected_telemetry")[1] == [(0,)]
    assert fleet.mart() == sources.expected_mart(hours[0], hours[-1])
    assert {row[:3] for row in fleet.mart() if row[4] != hours[1].hour} >= {row[:3] for row in before}


def test_what_must_not_be_published_leaves_the_old_window_standing(fleet, hours, sources, monkeypatch):
    """One line after the other: the source is corrupted, the run refuses, the source is healed."""
    before = fleet.mart()
    for line in BLOCKED:
        change = sources.in_crm if line.source == "crm" else sources.in_telemetry
        # Something to publish, which must not be seen.
        sources.add_hour("C09", hours[1], movements_count=1000 + len(line.words))
        change(line.change)
        outcome = fleet.run(hours[0], hours[-1])
        if line is BLOCKED[0]:
            # So does the next refresh, for the same hours, in the same words.
            outcome = fleet.run(hours[0], hours[-1])
        assert outcome.failures, line.words
        assert fleet.mart() == before, line.words
        name = line.caught.partition(".")[2]
        contract = name == "view_as_contracted"
        told = latest(fleet)
        assert (line.caught, None) in told
        assert not told[(line.caught, None)], line.words
        if not contract:
            assert any(name in failure and "nothing was published" in failure for failure in outcome.failures)
            bad = [key for (claim, key), passed in told.items() if claim == line.caught and key and not passed]
            offending = hours[-1:] if name == "crm_not_shrunk" else hours
            assert sorted(bad) == sorted(map(partition_key, offending)), line.words
        change(line.undo)
        sources.add_hour("C09", hours[1])
    fleet.load(hours[0], hours[-1])
    told = latest(fleet)
    assert [key for key, passed in told.items() if not passed] == []
    assert fleet.mart() == sources.expected_mart(hours[0], hours[-1])

    # The wearers are really gone: an operator accepts it once, and the runs after it need no word.
    sources.in_crm(BLOCKED[0].change)
    monkeypatch.setenv("BIONICPRO_MAX_CRM_SHRINK_PERCENT", "60")
    fleet.load(hours[0], hours[-1])
    monkeypatch.delenv("BIONICPRO_MAX_CRM_SHRINK_PERCENT")
    fleet.load(hours[0], hours[-1])
    assert failing(fleet) == set()
    sources.in_crm(BLOCKED[0].undo)


def test_rows_that_are_joined_wrongly_are_not_published(fleet, hours, sources, monkeypatch):
    """What no source can cause: the rows of the mart are made otherwise than the telemetry is."""
    before = fleet.mart()
    sources.add_hour("C09", hours[1], movements_count=77, successful_movements=7)
    joined = mart.join_telemetry_with_customers

    def tampered(*frames: pl.DataFrame, **options: Any) -> Joined:
        made = joined(*frames, **options)
        other = pl.when((pl.col("chip_id") == "C09") & (pl.col("hour_start") == hours[1])).then(1).otherwise(0)
        spoilt: Joined = replace(made, rows=made.rows.with_columns(pl.col("error_count") + other))
        return spoilt

    monkeypatch.setattr(mart, "join_telemetry_with_customers", tampered)
    outcome = fleet.run(hours[0], hours[-1])
    (failure,) = outcome.failures
    assert "numbers_as_measured" in failure
    assert "like chip C09" in failure
    assert fleet.mart() == before
    told = latest(fleet)
    for claim in ("mart.numbers_as_measured", "mart.nothing_lost_nothing_doubled"):
        assert {partition: told.get((claim, partition)) for partition in map(partition_key, hours)} == {
            partition_key(hours[0]): None,
            partition_key(hours[1]): False,
            partition_key(hours[-1]): None,
        }
    blocked = [e for e in evaluations(fleet) if e.check_name == "numbers_as_measured" and not e.passed]
    assert {e.metadata["run"].value for e in blocked} == {outcome.run_id}
    monkeypatch.setattr(mart, "join_telemetry_with_customers", joined)
    fleet.load(hours[0], hours[-1])
    assert latest(fleet)[("mart.numbers_as_measured", partition_key(hours[1]))]
    assert fleet.mart() == sources.expected_mart(hours[0], hours[-1])
