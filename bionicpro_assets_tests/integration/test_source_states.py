"""The short text that stands for what a source says: another one after every change, whatever the stamps are."""

from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.extract.changes import EMPTY, changed_hours, hour_states, hour_states_between, known_chips
from bionicpro_assets.extract.crm import crm_state
from bionicpro_assets.extract.observe import CUSTOMERS, HOURLY_STATS, PROSTHESES, RAW_TELEMETRY, observe
from bionicpro_assets.hours import HOUR
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests.integration.sources import Sources, as_user, reader_of

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
# All that PostgreSQL can hold, to its ends.
ODD = [
    "infinity", "-infinity", "4713-11-24 00:00:00 UTC BC", "294276-12-31 23:59:59.999999 UTC", "0001-01-01 UTC",
    "1969-12-31 23:59:59.999999 UTC", "9999-12-31 23:59:59.999999 UTC", "10000-01-01 UTC", None,
]  # fmt: skip
STATS, PARTS = "telemetry.hourly_stats", "crm.prostheses"


def states(sources: Sources, *hours: datetime) -> dict[datetime, str]:
    with sources.telemetry.snapshot() as snapshot:
        found = hour_states(snapshot, hours)
        between = hour_states_between(snapshot, min(hours), max(hours) + HOUR)
    assert {hour: state for hour, state in found.items() if state != EMPTY} == between
    return found


def state(sources: Sources) -> str:
    return states(sources, AT)[AT]


def stamp(sources: Sources, chip: str, stamp: object, hour: datetime = AT) -> None:
    sources.in_telemetry(
        f"UPDATE {STATS} SET updated_at = %s WHERE chip_id = %s AND hour_start = %s", (stamp, chip, hour)
    )


@pytest.fixture
def stamped(sources: Sources) -> Sources:
    """Three chips in one hour, and the stamps may be missing."""
    sources.in_telemetry(f"ALTER TABLE {STATS} ALTER updated_at DROP NOT NULL")
    for number, chip in enumerate(("C1", "C2", "C3")):
        sources.add_hour(chip, AT)
        stamp(sources, chip, AT + timedelta(minutes=number))
    return sources


def test_hours_with_and_without_rows(stamped):
    stamped.add_hour("C1", AT + 2 * HOUR)
    found = states(stamped, AT, AT + HOUR, AT + 2 * HOUR)
    assert found[AT + HOUR] == EMPTY
    assert [found[hour].partition(":")[0] for hour in (AT, AT + 2 * HOUR)] == ["3", "1"]
    assert states(stamped, AT, AT + HOUR, AT + 2 * HOUR) == found, "the same without a change"
    with stamped.telemetry.snapshot() as snapshot:
        assert hour_states(snapshot, []) == {}


def test_every_change_is_another_state(stamped):
    seen = [state(stamped)]

    def changed(statement: str, *parameters: object) -> None:
        stamped.in_telemetry(statement, parameters)
        seen.append(state(stamped))

    moved = f"UPDATE {STATS} SET updated_at = updated_at + CASE chip_id WHEN 'C1' THEN %s WHEN 'C2' THEN -%s END WHERE chip_id < 'C3'"
    changed(moved, timedelta(seconds=5), timedelta(seconds=5))
    changed(f"UPDATE {STATS} SET updated_at = updated_at + interval '1 microsecond' WHERE chip_id = 'C2'")
    changed(  # two stamps change places
        f"UPDATE {STATS} s SET updated_at = o.updated_at FROM {STATS} o "
        "WHERE (s.chip_id, o.chip_id) IN (('C1', 'C3'), ('C3', 'C1'))"
    )
    changed(f"DELETE FROM {STATS} WHERE chip_id = 'C2'")
    changed(
        f"INSERT INTO {STATS} (chip_id, hour_start, updated_at) SELECT 'C4', hour_start, updated_at FROM {STATS} WHERE chip_id = 'C1'"
    )
    changed(f"UPDATE {STATS} SET chip_id = 'C5' WHERE chip_id = 'C4'")
    for odd in ODD:
        changed(f"UPDATE {STATS} SET updated_at = %s WHERE chip_id = 'C5'", odd)
    changed(f"UPDATE {STATS} SET updated_at = %s WHERE chip_id = 'C5'", "294276-12-31 23:59:59.999998 UTC")
    changed(f"UPDATE {STATS} SET updated_at = %s WHERE chip_id = 'C5'", "4713-11-24 00:00:00.000001 UTC BC")
    assert len(set(seen)) == len(seen)


def test_the_zone_of_the_session_and_the_privileges_do_not_matter(stamped, deployed):
    """Nor does the database: the deployed one is in Moscow."""
    for chip, updated_at in stamped.in_telemetry(f"SELECT chip_id, updated_at FROM {STATS}"):
        deployed.add_hour(chip, AT)
        stamp(deployed, chip, updated_at)
    with reader_of(deployed.admin, {deployed.telemetry: "telemetry.v_hourly_telemetry"}) as name:
        limited = Sources(deployed.crm, as_user(deployed.telemetry, name), deployed.admin)
        assert state(stamped) == state(deployed) == state(limited)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_stamp_leaves_the_other_hours_alone(stamped, odd):
    other = AT + HOUR
    stamped.add_hour("C1", other)
    before = states(stamped, AT, other)
    stamp(stamped, "C1", odd)
    after = states(stamped, AT, other)
    assert (after[AT] != before[AT], after[other] == before[other]) == (True, True)
    stamp(stamped, "C1", AT + timedelta(days=1), other)
    with stamped.telemetry.snapshot() as snapshot:
        found = changed_hours(snapshot, AT + timedelta(hours=12), AT - HOUR, AT + 3 * HOUR)
    assert set(found) - {AT} == {other}
    assert states(stamped, AT, other)[other] != before[other]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_stamp_does_not_keep_a_source_from_being_observed(sources, odd):
    sources.in_telemetry(
        f"ALTER TABLE {STATS} ALTER updated_at DROP NOT NULL; ALTER TABLE telemetry.raw_telemetry ALTER created_at DROP NOT NULL"
    )
    sources.in_crm(
        "ALTER TABLE crm.customers ALTER updated_at DROP NOT NULL; ALTER TABLE crm.prostheses ALTER updated_at DROP NOT NULL"
    )
    for chip in ("C1", "C2"):
        sources.add_hour(chip, AT)
        sources.add_wearer(chip, f"user of {chip}")
        sources.in_telemetry(
            "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, created_at) VALUES (%s, %s, %s)", (chip, AT, AT)
        )
    stamp(sources, "C1", AT)
    stamp(sources, "C2", odd)
    set_stamps(sources, "C1", AT)
    set_stamps(sources, "C2", odd)
    sources.in_telemetry("UPDATE telemetry.raw_telemetry SET created_at = %s WHERE chip_id = 'C2'", (odd,))
    found = observe(sources.crm, [CUSTOMERS, PROSTHESES]) | observe(sources.telemetry, [HOURLY_STATS, RAW_TELEMETRY])
    old = odd is not None and odd.startswith("1969")
    assert found.pop("telemetry.raw_telemetry").updated_at == (datetime.fromisoformat(odd[:26] + "Z") if old else None)
    assert {table: observation.updated_at for table, observation in found.items()} == dict.fromkeys(found, AT)
    with sources.crm.snapshot() as snapshot:
        for table in (CUSTOMERS, PROSTHESES):
            assert snapshot.read(sql(table.view_query)).row(0) == (2, AT)
    _, chips = known_chips(sources.crm, ["C1", "C2", "C3"])
    assert {chip: told.rows for chip, told in chips.items()} == {"C1": "1:1", "C2": "1:1"}
    assert chips["C1"].changed_at == AT


def set_stamps(sources: Sources, chip: str, stamp: object) -> None:
    """Of the prosthesis with the chip and of its customer; past the triggers that keep them."""
    sources.in_crm(
        "SET session_replication_role = replica; "
        "UPDATE crm.customers c SET updated_at = %s FROM crm.prostheses p WHERE p.customer_id = c.customer_id AND chip_id = %s; "
        "UPDATE crm.prostheses SET updated_at = %s WHERE chip_id = %s",
        (stamp, chip, stamp, chip),
    )


def crm(sources: Sources) -> str:
    with sources.crm.snapshot() as snapshot:
        return crm_state(snapshot)


def test_every_stamped_change_of_the_crm_is_another_state(sources):
    seen = [crm(sources)]
    assert seen == ["0:0"]

    def changed(*statements: str) -> None:
        for statement in statements:
            sources.in_crm(statement)
        assert crm(sources) == crm(sources)
        seen.append(crm(sources))

    sources.add_wearer("C1", "anna")
    seen.append(crm(sources))
    sources.add_wearer("C2", "boris")
    seen.append(crm(sources))
    sources.add_wearer(None, "vera")
    changed()
    changed("UPDATE crm.customers SET email = 'other@example.org' WHERE external_id = 'anna'")
    changed("UPDATE crm.prostheses SET status = 'maintenance' WHERE chip_id = 'C2'")
    changed("UPDATE crm.prostheses SET chip_id = 'C3' WHERE chip_id IS NULL")
    # The chip moves: each of the two rows is stamped, then stamps of equal size in opposite directions, and none at all.
    exchanged = "UPDATE crm.prostheses SET chip_id = CASE chip_id WHEN 'C1' THEN 'C2' ELSE 'C1' END WHERE chip_id IN ('C1', 'C2')"
    deferred = "ALTER TABLE crm.prostheses DROP CONSTRAINT prostheses_chip_id_key"
    changed(deferred, exchanged)
    off = "SET session_replication_role = replica; "
    changed(
        off
        + "UPDATE crm.prostheses SET updated_at = updated_at + CASE chip_id WHEN 'C1' THEN 1 ELSE -1 END * interval '1 second' WHERE chip_id IN ('C1', 'C2')"
    )
    changed(off + exchanged)
    changed(
        off
        + "UPDATE crm.prostheses SET customer_id = (SELECT max(customer_id) FROM crm.customers) WHERE chip_id = 'C1'"
    )
    changed("DELETE FROM crm.prostheses WHERE chip_id = 'C3'")
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("table", ["customers", "prostheses"])
def test_the_state_of_the_crm_takes_every_stamp(sources, table):
    sources.in_crm(f"ALTER TABLE crm.{table} ALTER updated_at DROP NOT NULL")
    sources.add_wearer("C1", "anna")
    seen = [crm(sources)]
    for odd in ODD:
        sources.in_crm(f"SET session_replication_role = replica; UPDATE crm.{table} SET updated_at = %s", (odd,))
        seen.append(crm(sources))
    assert len(set(seen)) == len(ODD) + 1


def test_what_leaves_no_stamp_is_not_seen(sources):
    """As sql/crm/queries/state.sql says; the rows are to be compared now and then, too."""
    sources.add_wearer("C1", "anna")
    before = crm(sources)
    sources.in_crm("UPDATE crm.prosthesis_models SET model_name = 'Another name'")
    assert crm(sources) == before


def test_a_reader_of_the_view_sees_the_same_state_of_the_crm(deployed):
    deployed.add_wearer("C1", "anna")
    with reader_of(deployed.admin, {deployed.crm: "crm.v_customer_prosthesis"}) as name:
        limited = Sources(as_user(deployed.crm, name), deployed.telemetry, deployed.admin)
        assert crm(limited) == crm(deployed) != "0:0"
