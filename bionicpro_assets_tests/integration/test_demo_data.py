"""The demo data: deterministic, varied as promised, and the same in both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.setup.demo import Fleet, append_telemetry, is_refitted, make_crm, make_telemetry, refit
from bionicpro_assets.sqlfiles import sql

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
FLEET = Fleet(prostheses=30, hours=3, days=0)


@pytest.fixture
def demo(sources):
    make_crm(sources.crm, FLEET)
    make_telemetry(sources.telemetry, FLEET, NOW)
    return sources


def everything(sources):
    return (
        sources.in_crm("SELECT external_id, last_name, email, region FROM crm.customers ORDER BY 1"),
        sources.in_crm("SELECT serial_number, chip_id, status, customer_id FROM crm.prostheses ORDER BY 1"),
        sources.in_telemetry(
            "SELECT chip_id, count(*), min(timestamp), max(timestamp), sum(response_time_ms), md5(string_agg("
            "(to_jsonb(r) - 'telemetry_id')::text, '' ORDER BY timestamp)) FROM telemetry.raw_telemetry r GROUP BY 1 ORDER BY 1"
        ),
    )


def test_the_fleet_is_varied_as_promised(demo):
    assert 20 <= demo.in_crm("SELECT count(*) FROM crm.customers")[0][0] <= 30
    assert {r for (r,) in demo.in_crm("SELECT DISTINCT region FROM crm.customers")} == {"russia", "europe"}
    statuses = {s for (s,) in demo.in_crm("SELECT DISTINCT status FROM crm.prostheses")}
    assert statuses == {"manufactured", "sold", "active", "maintenance", "retired"}
    assert demo.in_crm("SELECT count(*) FROM crm.customers WHERE last_name ~ '^[А-Яа-яё]+$'")[0][0] > 5
    assert (
        demo.in_crm("SELECT count(*) FROM crm.customers WHERE last_name ~ '^[[:alpha:] ]+$' AND last_name !~ '[А-я]'")[
            0
        ][0]
        > 5
    )
    assert demo.in_crm("SELECT count(*) FROM crm.customers WHERE middle_name IS NULL")[0][0] > 0
    assert (
        demo.in_crm(
            "SELECT count(*) FROM (SELECT customer_id FROM crm.prostheses WHERE customer_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1) x"
        )[0][0]
        > 0
    )
    reserved = "SELECT count(*) FROM crm.customers WHERE email !~ '@example\\.(com|org|net)$'"
    assert demo.in_crm(reserved) == [(0,)]


def test_the_telemetry_has_rhythm_gaps_errors_warnings_and_nulls(demo):
    seconds, chips, errors, warnings, nulls, failures = demo.in_telemetry(
        "SELECT count(DISTINCT (chip_id, date_trunc('second', timestamp))), count(DISTINCT chip_id), count(error_code), "
        "count(*) FILTER (WHERE warning_flags > 0), count(*) FILTER (WHERE response_time_ms IS NULL AND movement_type IS NOT NULL), "
        "count(*) FILTER (WHERE NOT movement_success) FROM telemetry.raw_telemetry"
    )[0]
    assert demo.in_telemetry("SELECT count(*) FROM telemetry.raw_telemetry") == [(seconds,)], "one row a second at most"
    assert min(chips, errors, warnings, nulls, failures) > 0
    assert 0.05 < seconds / (chips * 3600 * 3.33) < 0.6, "idle gaps"
    assert demo.in_telemetry("SELECT count(*) FROM telemetry.raw_telemetry WHERE timestamp >= %s", (NOW,)) == [(0,)]


def test_exactly_one_chip_is_unknown_to_the_crm(demo):
    known = {c for (c,) in demo.in_crm("SELECT chip_id FROM crm.prostheses WHERE chip_id IS NOT NULL")}
    sending = {c for (c,) in demo.in_telemetry("SELECT DISTINCT chip_id FROM telemetry.raw_telemetry")}
    assert len(sending - known) == 1
    assert len(sending & known) > 20


def test_a_chip_is_refitted_once_and_dated_when_it_was(demo, sources):
    assert not is_refitted(sources.crm)
    moment = NOW - timedelta(hours=1)
    for later in range(2):
        refit(sources.crm, moment + timedelta(minutes=later))
        make_crm(sources.crm, FLEET)
    assert is_refitted(sources.crm)
    fitted = demo.in_crm(
        "SELECT prosthesis_serial, user_id, prosthesis_status, prosthesis_updated_at FROM crm.v_customer_prosthesis "
        "WHERE chip_id = 'CHIP-000001'"
    )
    assert fitted == [("BP-000008", "user_0007", "active", moment)]
    assert demo.in_crm("SELECT chip_id, status FROM crm.prostheses WHERE serial_number = 'BP-000001'") == [
        (None, "maintenance")
    ]
    demo.in_crm("UPDATE crm.prostheses SET firmware_version = '9' WHERE serial_number = 'BP-000008'")
    ((stamped,),) = demo.in_crm("SELECT updated_at FROM crm.prostheses WHERE serial_number = 'BP-000008'")
    assert stamped > moment, "the trigger is on again"


def test_every_record_is_older_than_any_hour_of_the_demo(demo):
    assert demo.in_crm("SELECT count(*) FROM crm.prostheses WHERE updated_at > '2025-06-01'") == [(0,)]
    assert demo.in_crm("SELECT count(*) FROM crm.customers WHERE updated_at > '2025-06-01'") == [(0,)]


def test_both_databases_have_the_same_rule_of_who_is_fitted():
    assert sql("crm/demo/10_fleet.sql") == sql("telemetry/demo/10_fleet.sql")


def test_the_same_seed_makes_the_same_data_and_another_makes_other(demo, sources):
    before = everything(sources)
    sources.in_crm("TRUNCATE crm.prostheses, crm.customers, crm.prosthesis_models RESTART IDENTITY CASCADE")
    sources.in_telemetry("TRUNCATE telemetry.raw_telemetry")
    make_crm(sources.crm, FLEET)
    make_telemetry(sources.telemetry, FLEET, NOW)
    assert everything(sources) == before
    sources.in_telemetry("TRUNCATE telemetry.raw_telemetry")
    append_telemetry(sources.telemetry, Fleet(prostheses=30, hours=3, seed=2, days=0), NOW)
    assert everything(sources)[2] != before[2]


def test_going_on_later_makes_what_one_go_would_have_made(demo, sources):
    later = NOW + timedelta(minutes=25)
    append_telemetry(sources.telemetry, FLEET, later)
    in_two = everything(sources)[2]
    sources.in_telemetry("TRUNCATE telemetry.raw_telemetry")
    append_telemetry(sources.telemetry, FLEET, later)
    assert everything(sources)[2] == in_two


def test_making_it_again_changes_nothing(demo, sources):
    before = everything(sources)
    assert make_crm(sources.crm, FLEET) == 0
    assert make_telemetry(sources.telemetry, FLEET, NOW) == 0
    assert everything(sources) == before


def test_the_history_is_like_what_the_roll_up_makes_of_readings(demo, sources):
    """The same chips in the same hours, with numbers near those of readings; and no roll-up touches it."""
    hours = [NOW.replace(minute=0) - timedelta(hours=n) for n in (3, 2, 1)]
    columns = "movements_count, 100.0 * successful_movements / movements_count, avg_response_time, avg_battery_level, warning_count"
    whole = f"SELECT chip_id, hour_start, {columns} FROM telemetry.hourly_stats ORDER BY 1, 2"

    def roll_up() -> None:
        for hour in hours:
            sources.in_telemetry("SELECT telemetry.aggregate_hourly_stats(%s)", (hour,))

    roll_up()
    counted = sources.in_telemetry(whole)
    sources.in_telemetry("TRUNCATE telemetry.raw_telemetry, telemetry.hourly_stats")
    make_telemetry(sources.telemetry, Fleet(prostheses=30, hours=0, days=1), NOW.replace(minute=0))
    roll_up()
    history = [row for row in sources.in_telemetry(whole) if row[1] in hours]
    assert [row[:2] for row in history] == [row[:2] for row in counted]
    assert len(history) > 40
    for made, real in zip(history, counted, strict=True):
        assert made[2] == pytest.approx(real[2], rel=0.5, abs=20)
        assert float(made[3]) == pytest.approx(float(real[3]), abs=12)
        assert made[4:6] == (pytest.approx(real[4], rel=0.2), pytest.approx(real[5], abs=6))
    ((days, late),) = sources.in_telemetry(
        "SELECT count(DISTINCT hour_start), count(*) FILTER (WHERE updated_at > hour_start + interval '2 hours') FROM telemetry.hourly_stats"
    )
    assert (days, late) == (24, 0), "as it would be had it been rolled up in time"
    ((kept_since,),) = sources.in_telemetry("SELECT kept_since FROM telemetry.raw_retention")
    assert kept_since == NOW.replace(minute=0)


def test_the_generator_serves_large_fleets(sources):
    assert make_crm(sources.crm, Fleet(prostheses=5000)) == 5000
    make_telemetry(sources.telemetry, Fleet(prostheses=1, hours=1, days=0), NOW)
    hour = NOW.replace(minute=0)
    ((rows,),) = sources.in_telemetry(
        "SELECT demo.generate_hourly_stats(1, 5000, %s, %s)", (hour - timedelta(hours=2), hour)
    )
    ((fitted,),) = sources.in_crm("SELECT count(*) FROM crm.prostheses WHERE chip_id IS NOT NULL")
    assert rows == 2 * fitted
