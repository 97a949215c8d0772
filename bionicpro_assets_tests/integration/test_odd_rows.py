"""One odd row keeps no other one from the reports, stops neither the sensor nor the observation, and heals."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.extract.changes import changed_hours, hour_states
from bionicpro_assets.extract.observe import CUSTOMERS, HOURLY_STATS, PROSTHESES, RAW_TELEMETRY, observe
from bionicpro_assets.hours import HOUR, floor_hour
from bionicpro_assets.quality.claims import claims
from bionicpro_assets_tests.integration.platform import mart_rows
from bionicpro_assets_tests.publishing import publish_window
from bionicpro_assets_tests.quality.histories import settings
from bionicpro_assets_tests.quality.odd_rows import look, loosen, one_load

AT = floor_hour(datetime.now(UTC)) - 5 * HOUR
WITHOUT_TRIGGERS = "SET session_replication_role = replica; "


@dataclass(frozen=True)
class Odd:
    """What is done to a chip and its wearer.

    Attributes:
        reason: Why its hour is set aside; None if it is published.
    """

    words: str
    source: str
    change: str
    reason: str | None


def stamped(table: str, stamp: str) -> str:
    where = {"customers": "external_id = '{user}'", "prostheses": "chip_id = '{chip}'"}[table]
    return f"{WITHOUT_TRIGGERS}UPDATE crm.{table} SET updated_at = '{stamp}' WHERE {where}"


STAMP = "updated_at is before 1970 or after 2105"
CASES = [
    *(
        Odd(f"telemetry of {stamp}", "telemetry", f"UPDATE telemetry.hourly_stats SET updated_at = '{stamp}' WHERE chip_id = '{{chip}}'", STAMP)
        for stamp in ("infinity", "-infinity", "0001-01-01 00:00+00", "20226-01-01 00:00+00", "1969-12-31 23:59:59.5+00")
    ),
    Odd("telemetry without a stamp", "telemetry", "ALTER TABLE telemetry.hourly_stats ALTER updated_at DROP NOT NULL; UPDATE telemetry.hourly_stats SET updated_at = NULL WHERE chip_id = '{chip}'", None),
    *(
        Odd(f"{table} of {stamp}", "crm", stamped(table, stamp), None)
        for table in ("customers", "prostheses")
        for stamp in ("infinity", "-infinity", "0001-01-01 00:00+00", "20226-01-01 00:00+00")
    ),
    Odd("no e-mail", "crm", "ALTER TABLE crm.customers ALTER email DROP NOT NULL; UPDATE crm.customers SET email = NULL WHERE external_id = '{user}'", None),
    Odd("a number below 0", "crm", "UPDATE crm.prostheses SET prosthesis_id = -5 WHERE chip_id = '{chip}'", "the CRM doesn't know the chip"),
    Odd(
        "a number of 5e9", "crm",
        "DROP VIEW crm.v_customer_prosthesis; ALTER TABLE crm.prostheses ALTER prosthesis_id TYPE bigint; "
        "UPDATE crm.prostheses SET prosthesis_id = 5000000000 WHERE chip_id = '{chip}'; :view",
        "the CRM doesn't know the chip",
    ),
    Odd("half past", "telemetry", "UPDATE telemetry.hourly_stats SET hour_start = hour_start + interval '30 minutes' WHERE chip_id = '{chip}'", "hour_start is not a whole UTC hour"),
    Odd(
        "a chip twice", "telemetry",
        "ALTER TABLE telemetry.hourly_stats DROP CONSTRAINT hourly_stats_chip_id_hour_start_key; INSERT INTO telemetry.hourly_stats "
        "(chip_id, hour_start, movements_count) SELECT chip_id, hour_start, 1 FROM telemetry.hourly_stats WHERE chip_id = '{chip}'",
        "the source has several rows of the chip in the hour",
    ),
    *(
        Odd(f"a login of {text!r}", "crm", f"UPDATE crm.customers SET external_id = U&'{code}' WHERE external_id = '{{user}}'", "the CRM has no login or no name for the wearer of the chip")
        for text, code in (("\u200b", r"\200B"), ("\x1f", r"\001F"), ("\u00a0\u2800", r"\00A0\2800"), ("\ufeff", r"\FEFF"), ("\u3164", r"\3164"))
    ),
]  # fmt: skip


@pytest.fixture
def fleet(sources):
    """Three people with an hour each."""
    for number in (1, 2, 3):
        sources.add_wearer(f"C{number}", f"u{number}")
        sources.add_hour(f"C{number}", AT)
    return sources


def load(sources, clickhouse) -> tuple[set[str], dict[str, str]]:
    """The chips of the mart, and the reasons of what is set aside."""
    publish_window(sources.crm, sources.telemetry, clickhouse, [AT], run_id="test", batch_size=100)
    _, aside = clickhouse.rows("SELECT chip_id, reason FROM quarantine.rejected_telemetry")
    return {row[2] for row in mart_rows(clickhouse)}, {str(chip): str(reason) for chip, reason in aside}


def test_one_odd_row_is_set_aside_or_emptied_and_the_others_are_published(fleet, clickhouse):
    """All cases in one load, each with a chip of its own."""
    ((view,),) = fleet.in_crm("SELECT pg_get_viewdef('crm.v_customer_prosthesis'::regclass)")
    chips = {f"C{number}": case for number, case in enumerate(CASES, 10)}
    for chip in chips:
        fleet.add_wearer(chip, f"u{chip}")
        fleet.add_hour(chip, AT)
    for chip, case in chips.items():
        change = fleet.in_crm if case.source == "crm" else fleet.in_telemetry
        statement = case.change.replace("{chip}", chip).replace("{user}", f"u{chip}")
        change(statement.replace(":view", f"CREATE VIEW crm.v_customer_prosthesis AS {view}"))
    mart, aside = load(fleet, clickhouse)
    reasons = {chip: case.reason for chip, case in chips.items() if case.reason}
    assert aside == reasons
    assert mart == {"C1", "C2", "C3", *chips} - reasons.keys()


@pytest.mark.parametrize("stamp", ["infinity", "-infinity", "20226-01-01 00:00+00", "0001-01-01 00:00+00"])
def test_the_sensor_and_the_observation_go_on_with_an_old_row_of_an_odd_stamp(fleet, stamp):
    """The right hour is found, beside the odd one; and what is told of the tables is of stamps that can be."""
    old = AT - timedelta(days=20)
    fleet.add_hour("C9", old)
    fleet.in_telemetry("UPDATE telemetry.hourly_stats SET updated_at = %s WHERE chip_id = 'C9'", (stamp,))
    fleet.in_crm(stamped("customers", stamp).replace("{user}", "u2"))
    fleet.in_crm(stamped("prostheses", stamp).replace("{chip}", "C2"))
    with fleet.telemetry.snapshot() as snapshot:
        found = changed_hours(snapshot, AT, AT - timedelta(days=30), AT + HOUR)
        states = hour_states(snapshot, [old, AT])
    assert AT in found
    assert states[old].startswith("1:")
    assert states[AT].startswith("3:")
    look(fleet)
    for source, tables in ((fleet.crm, [CUSTOMERS, PROSTHESES]), (fleet.telemetry, [RAW_TELEMETRY, HOURLY_STATS])):
        for observation in observe(source, tables).values():
            assert observation.updated_at is None or observation.updated_at.year > 2000


def test_an_hour_of_no_whole_hour_changes_the_state_when_it_is_corrected(fleet):
    fleet.in_telemetry(
        "UPDATE telemetry.hourly_stats SET hour_start = hour_start + interval '30 minutes' WHERE chip_id = 'C2'"
    )
    with fleet.telemetry.snapshot() as snapshot:
        askew = hour_states(snapshot, [AT])
    fleet.in_telemetry("UPDATE telemetry.hourly_stats SET hour_start = date_trunc('hour', hour_start)")
    with fleet.telemetry.snapshot() as snapshot:
        assert hour_states(snapshot, [AT]) != askew
    assert askew[AT].startswith("3:")


def test_a_quiet_hour_with_an_odd_row_is_published_with_the_others(fleet, clickhouse):
    """At night: one chip of two sends, and its only row is of no whole hour."""
    quiet = AT - HOUR
    fleet.add_hour("C1", quiet)
    fleet.in_telemetry(
        "UPDATE telemetry.hourly_stats SET hour_start = hour_start + interval '30 minutes' WHERE hour_start = %s",
        (quiet,),
    )
    publish_window(
        fleet.crm,
        fleet.telemetry,
        clickhouse,
        [quiet, AT],
        run_id="test",
        batch_size=100,
        claims=claims(settings("UTC")),
    )
    assert {row[2] for row in mart_rows(clickhouse)} == {"C1", "C2", "C3"}
    _, aside = clickhouse.rows("SELECT chip_id, toUnixTimestamp(hour_start), reason FROM quarantine.rejected_telemetry")
    assert aside == [("C1", int(quiet.timestamp()), "hour_start is not a whole UTC hour")]


def test_a_chip_that_a_row_names_which_is_left_out_is_nobodys(fleet, clickhouse):
    """Whose it is can't be told: the other row may be the wrong one."""
    fleet.in_crm("ALTER TABLE crm.prostheses DROP CONSTRAINT prostheses_chip_id_key")
    fleet.add_wearer("C9", "u9")
    fleet.in_crm("UPDATE crm.prostheses SET prosthesis_id = -9, chip_id = 'C2' WHERE chip_id = 'C9'")
    mart, aside = load(fleet, clickhouse)
    assert mart == {"C1", "C3"}
    assert aside == {"C2": "the CRM doesn't know the chip"}


def test_odd_values_of_every_column(sources, clickhouse):
    """A small part of `python -m bionicpro_assets_tests.quality.odd_rows`."""
    loosen(sources)
    assert one_load(sources, clickhouse, 10, floor_hour(datetime.now(UTC)) - 3 * HOUR) >= 80
