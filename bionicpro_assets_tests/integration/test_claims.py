"""The claims in the real job, on real sources: what blocks, what is set aside, and what Dagster is told of it."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from bionicpro_assets.defs import io_manager, verdicts
from bionicpro_assets.extract.telemetry import roll_up
from bionicpro_assets.hours import floor_hour, hour_range, partition_key
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import MART, claims
from bionicpro_assets.quality.evaluate import Verdict, evaluate
from bionicpro_assets.quality.source_claims import raw_claims, raw_verdicts
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.sources import execute, source_for
from bionicpro_assets_tests.quality.corruptions import BLOCKED, LONG, RAW, SENT, short_name

OPEN = floor_hour(datetime.now(UTC))
FIRST, SECOND = OPEN - timedelta(hours=2), OPEN - timedelta(hours=1)
HOURS = hour_range(FIRST, OPEN)
CHIPS = [f"C{n:02d}" for n in range(1, 25)]
# What may be in nothing that Dagster is told: names, logins, addresses.
PERSONAL = re.compile(r"Анна|Иванова|Петровна|patient_|@|example\.org")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def external_rollup(clean_environment, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")


@pytest.fixture
def fleet(external_rollup, platform, sources):
    """24 chips, each with a wearer and three hours of telemetry, loaded."""
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
    for hour in HOURS:
        sources.add_hour("C01", hour)
        copy_hour(sources, hour, CHIPS[1:])
    platform.load(FIRST, OPEN)
    return platform


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


def test_all_claims_hold_on_clean_rows_and_dagster_is_told(fleet):
    found = evaluate(fleet.clickhouse, claims(Settings.load()), HOURS)
    assert [str(v) for v in found if not v.passed] == []
    assert failing(fleet) == set()
    told = {name for name, _ in latest(fleet)}
    expected = {short_name(claim) for claim in claims(Settings.load())}
    assert told == expected | {
        "crm.view_as_contracted",
        "telemetry.view_as_contracted",
        "mart.reports_are_as_published",
    }


def test_what_the_sources_send_is_set_aside_or_told_and_comes_back(fleet, sources):
    """All lines in one hour: each corrupts the row, or the wearer, of a chip of its own."""
    # Enough chips that three of them without a wearer aren't too many.
    chips = dict(zip(CHIPS, SENT, strict=False))
    before = {row for row in fleet.mart() if row[4] != SECOND.hour}
    for chip, line in chips.items():
        columns = {k: v for k, v in line.columns.items() if k not in ("unknown", "nameless", "contested", "updated_at")}
        if columns:
            sources.add_hour(chip, SECOND, **columns)
        if "updated_at" in line.columns:
            sources.in_telemetry(
                "UPDATE telemetry.hourly_stats SET updated_at = now() + interval '1 day' WHERE chip_id = %s AND hour_start = %s",
                (chip, SECOND),
            )
        if "unknown" in line.columns:
            sources.in_telemetry(
                "INSERT INTO telemetry.hourly_stats (chip_id, hour_start) VALUES ('X1', %s)", (SECOND,)
            )
        if "nameless" in line.columns:
            sources.in_crm(
                "UPDATE crm.customers SET first_name = '', last_name = ' ' WHERE external_id = %s", (f"patient_{chip}",)
            )
        if "contested" in line.columns:
            sources.add_wearer("X2", "patient_X2")
            sources.in_telemetry(
                "INSERT INTO telemetry.hourly_stats (chip_id, hour_start) VALUES ('X2', %s)", (SECOND,)
            )
            sources.in_crm("ALTER TABLE crm.prostheses DROP CONSTRAINT prostheses_chip_id_key")
            sources.add_wearer("X2", "patient_X3")
    fleet.load(FIRST, OPEN)

    caught = {name for line in chips.values() for name in line.caught.split()}
    assert failing(fleet) == caught
    told = latest(fleet)
    assert {name for name in caught if told.get((name, partition_key(SECOND)), True)} == set()
    assert told[("mart.nothing_lost_nothing_doubled", None)]
    _, rows = fleet.clickhouse.rows(
        "SELECT chip_id, reason FROM quarantine.rejected_telemetry WHERE toUnixTimestamp(hour_start) = {h:UInt32}",
        {"h": int(SECOND.timestamp())},
    )
    named = {"unknown": "X1", "contested": "X2"}
    for chip, line in chips.items():
        where = next((named[c] for c in line.columns if c in named), chip)
        reasons = dict(rows).get(where)
        if line.set_aside is None:
            assert reasons is None, line.words
        else:
            assert line.set_aside in reasons, line.words
    kept = {row[2] for row in fleet.mart(f"report_hour = {SECOND.hour}")}
    assert kept == set(CHIPS) - {chip for chip, reason in rows}

    # The sources are corrected: everything moves to the reports, and the claims hold again, hour by hour.
    sources.in_crm("UPDATE crm.customers SET first_name = 'Анна', last_name = 'Иванова' WHERE last_name = ' '")
    sources.in_crm("DELETE FROM crm.prostheses WHERE chip_id = 'X2'")
    sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE chip_id LIKE 'X%'")
    for chip in chips:
        sources.add_hour(chip, SECOND)
    fleet.load(FIRST, OPEN)
    assert failing(fleet) == set()
    assert {name for name in caught if not latest(fleet)[(name, partition_key(SECOND))]} == set()
    assert fleet.clickhouse.rows("SELECT count() FROM quarantine.rejected_telemetry")[1] == [(0,)]
    assert fleet.mart() == sources.expected_mart(FIRST, OPEN)
    assert {row[:3] for row in fleet.mart() if row[4] != SECOND.hour} >= {row[:3] for row in before}


def test_what_must_not_be_published_leaves_the_old_window_standing(fleet, sources, monkeypatch):
    """One line after the other: the source is corrupted, the run refuses, the source is healed."""
    before = fleet.mart()
    for line in BLOCKED:
        change = sources.in_crm if line.source == "crm" else sources.in_telemetry
        # Something to publish, which must not be seen.
        sources.add_hour("C09", SECOND, movements_count=1000 + len(line.words))
        change(line.change)
        outcome = fleet.run(FIRST, OPEN)
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
            hours = [HOURS[-1]] if name == "crm_not_shrunk" else HOURS
            assert sorted(bad) == sorted(map(partition_key, hours)), line.words
        change(line.undo)
        sources.add_hour("C09", SECOND)
    fleet.load(FIRST, OPEN)
    told = latest(fleet)
    assert [key for key, passed in told.items() if not passed] == []
    assert fleet.mart() == sources.expected_mart(FIRST, OPEN)

    # The wearers are really gone: an operator accepts it once, and the runs after it need no word.
    sources.in_crm(BLOCKED[0].change)
    assert fleet.run(FIRST, OPEN).failures
    monkeypatch.setenv("BIONICPRO_MAX_CRM_SHRINK_PERCENT", "60")
    fleet.load(FIRST, OPEN)
    monkeypatch.delenv("BIONICPRO_MAX_CRM_SHRINK_PERCENT")
    fleet.load(FIRST, OPEN)
    assert failing(fleet) == set()


def test_rows_that_change_between_write_and_commit_are_not_published(fleet, sources, monkeypatch):
    """What no source can cause: the rows of the mart are stored otherwise than they were made."""
    before = fleet.mart()
    sources.add_hour("C09", SECOND, movements_count=77, successful_movements=7)
    audited = io_manager.require

    def tampered(clickhouse, claims, name: str, staged: Mapping[datetime, int], **options: Any) -> None:
        if name == MART:
            storage = HourlyTable.of(clickhouse, name).storage
            clickhouse.command(
                f"ALTER TABLE {storage} UPDATE error_count = error_count + 1 "
                f"WHERE publication = {staged[SECOND]} AND chip_id = 'C09' SETTINGS mutations_sync = 1"
            )
        audited(clickhouse, claims, name, staged, **options)

    monkeypatch.setattr(io_manager, "require", tampered)
    outcome = fleet.run(FIRST, OPEN)
    (failure,) = outcome.failures
    assert "numbers_as_measured" in failure
    assert "like chip C09" in failure
    assert fleet.mart() == before
    told = latest(fleet)
    for claim in ("mart.numbers_as_measured", "mart.nothing_lost_nothing_doubled"):
        assert {partition: told.get((claim, partition)) for partition in map(partition_key, HOURS)} == {
            partition_key(FIRST): None,
            partition_key(SECOND): False,
            partition_key(OPEN): None,
        }
    blocked = [e for e in evaluations(fleet) if e.check_name == "numbers_as_measured" and not e.passed]
    assert {e.metadata["run"].value for e in blocked} == {outcome.run_id}
    monkeypatch.setattr(io_manager, "require", audited)
    fleet.load(FIRST, OPEN)
    assert latest(fleet)[("mart.numbers_as_measured", partition_key(SECOND))]
    assert fleet.mart() == sources.expected_mart(FIRST, OPEN)


def test_a_warning_does_not_fail_a_run_and_an_error_is_one(fleet):
    severities = {short_name(c): c.severity for c in claims(Settings.load())}
    found = {f"{e.asset_key.path[-1]}.{e.check_name}": e for e in evaluations(fleet)}
    assert (
        found["hourly_telemetry.volume_as_usual"].severity
        == verdicts.SEVERITIES[severities["telemetry.volume_as_usual"]]
    )
    assert found["user_prosthesis_stats.right_wearer"].severity == dg.AssetCheckSeverity.ERROR
    assert found["user_prosthesis_stats.right_wearer"].blocking


def add_raw(sources, hour: datetime) -> None:
    sources.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type, movement_success, error_code, warning_flags, created_at) "
        "SELECT 'C' || c, %(hour)s + n * interval '1 minute', CASE WHEN n %% 3 > 0 THEN 'grip' END, n %% 5 > 0, "
        "CASE WHEN n %% 7 = 0 THEN 'E1' END, n %% 4, %(hour)s FROM generate_series(1, 3) c, generate_series(0, 59) n",
        {"hour": hour},
    )


def found_in(verdicts: list[Verdict], hour: datetime) -> set[str]:
    return {short_name(v.claim) for v in verdicts if hour in v.failing}


def test_the_roll_up_against_the_raw_rows(sources):
    hours = hour_range(OPEN - timedelta(hours=len(RAW)), SECOND)
    for hour in hours:
        add_raw(sources, hour)
    roll_up(sources.telemetry, hours)
    assert all(v.passed and len(v.hours) == len(hours) for v in raw_verdicts(sources.telemetry, hours))
    for line, hour in zip(RAW, hours, strict=True):
        sources.in_telemetry(line.change, {"hour": hour})
        if line.caught == "roll_up.raw_rows_within_one_a_second":
            roll_up(sources.telemetry, [hour])
    verdicts = raw_verdicts(sources.telemetry, hours)
    for line, hour in zip(RAW, hours, strict=True):
        assert found_in(verdicts, hour) == set(line.caught.split()), line.words
    # Raw rows that were purged, as the table of their retention says, can't be compared any more.
    sources.in_telemetry("UPDATE telemetry.raw_retention SET kept_since = %s", (hours[-1],))
    assert len(raw_verdicts(sources.telemetry, hours)[0].failing) == 0


def test_an_open_hour_is_not_compared_with_its_raw_rows(sources):
    add_raw(sources, OPEN)
    rolled_up, _ = raw_verdicts(sources.telemetry, [OPEN])
    assert rolled_up.hours == {}


def test_raw_rows_that_may_not_be_read_are_a_warning_that_says_what_to_grant(sources, postgres_server):
    execute(postgres_server, "CREATE ROLE viewer LOGIN PASSWORD 'viewer'", autocommit=True)
    try:
        sources.in_telemetry(
            "GRANT USAGE ON SCHEMA telemetry TO viewer; GRANT SELECT ON telemetry.v_hourly_telemetry TO viewer"
        )
        url = re.sub(r"//[^@/]*@", "//viewer:viewer@", sources.telemetry.url)
        viewer = source_for(
            url.replace(url.split("/")[3].split("?")[0], "crm_db", 1), "telemetry", url.split("/")[3].split("?")[0]
        )
        verdicts = raw_verdicts(viewer, [SECOND])
        assert [v.claim.name for v in verdicts] == [c.name for c in raw_claims()]
        for verdict in verdicts:
            assert verdict.failing == [SECOND]
            assert verdict.claim.severity == "WARN"
            assert "grant SELECT on telemetry.raw_telemetry" in str(verdict)
            assert "viewer:" not in str(verdict)
    finally:
        sources.in_telemetry("DROP OWNED BY viewer")
        execute(postgres_server, "DROP ROLE viewer", autocommit=True)


def test_the_roll_up_is_checked_in_the_job(clean_environment, platform, sources):
    sources.add_wearer("C1", "patient_C1")
    add_raw(sources, FIRST)
    platform.load(FIRST, OPEN)
    told = latest(platform)
    assert told[("roll_up.rolled_up_as_sent", None)]
    assert told[("roll_up.raw_rows_within_one_a_second", None)]
