"""The claims on the roll-up: the raw rows of PostgreSQL against what they were rolled up to."""

from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.extract.telemetry import roll_up
from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.quality.source_claims import raw_claims, raw_verdicts
from bionicpro_assets.quality.verdict import HourVerdict
from bionicpro_assets_tests.integration.sources import as_user, reader_of
from bionicpro_assets_tests.quality.corruptions import RAW, short_name

OPEN = floor_hour(datetime.now(UTC))
FIRST, SECOND = OPEN - timedelta(hours=2), OPEN - timedelta(hours=1)
pytestmark = pytest.mark.filterwarnings("ignore")


def add_raw(sources, hour: datetime) -> None:
    sources.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type, movement_success, error_code, warning_flags, created_at) "
        "SELECT 'C' || c, %(hour)s + n * interval '1 minute', CASE WHEN n %% 3 > 0 THEN 'grip' END, n %% 5 > 0, "
        "CASE WHEN n %% 7 = 0 THEN 'E1' END, n %% 4, %(hour)s FROM generate_series(1, 3) c, generate_series(0, 59) n",
        {"hour": hour},
    )


def found_in(verdicts: list[HourVerdict], hour: datetime) -> set[str]:
    return {short_name(v.claim) for v in verdicts if hour in v.failing}


def test_the_roll_up_against_the_raw_rows(sources):
    hours = hour_range(OPEN - timedelta(hours=len(RAW)), SECOND)
    for hour in hours:
        add_raw(sources, hour)
    roll_up(sources.telemetry, hours)
    clean = raw_verdicts(sources.telemetry, hours)
    assert all(v.passed for v in clean)
    assert [len(v.found) for v in clean] == [len(hours), 3, 1, len(hours)]
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


def test_a_reading_that_was_delivered_again_counts_once_where_the_rules_say_so(sources):
    """Twice three chips with 60 readings, 40 of them movements."""
    add_raw(sources, FIRST)
    add_raw(sources, FIRST)
    counts = "SELECT movements_count FROM telemetry.hourly_stats ORDER BY chip_id"
    for once, movements in ((False, 80), (True, 40)):
        sources.in_telemetry("UPDATE telemetry.rollup_rules SET each_instant_once = %s", (once,))
        roll_up(sources.telemetry, [FIRST])
        assert sources.in_telemetry(counts) == [(movements,)] * 3
        as_sent, sent_once, *_ = raw_verdicts(sources.telemetry, [FIRST])
        assert as_sent.passed
        assert sent_once.found[FIRST].sample == [f"chip C{n}: 60 rows" for n in (1, 2, 3)]


def test_an_hour_that_was_never_rolled_up_is_told_though_it_lies_before_the_retention(sources):
    add_raw(sources, FIRST)
    sources.in_telemetry("UPDATE telemetry.raw_retention SET kept_since = %s", (OPEN,))
    as_sent = raw_verdicts(sources.telemetry, [FIRST])[0]
    assert as_sent.failing == [FIRST]


def test_an_open_hour_is_not_compared_with_its_raw_rows(sources):
    # The hour may turn while this runs.
    ahead = floor_hour(datetime.now(UTC)) + timedelta(hours=1)
    add_raw(sources, ahead)
    rolled_up, *_ = raw_verdicts(sources.telemetry, [ahead])
    assert rolled_up.found == {}


def test_raw_rows_that_may_not_be_read_are_a_warning_that_says_what_to_grant(sources, postgres_server):
    with reader_of(postgres_server, {sources.telemetry: "telemetry.v_hourly_telemetry"}) as reader:
        verdicts = raw_verdicts(as_user(sources.telemetry, reader), [SECOND])
        assert [v.claim.name for v in verdicts] == [c.name for c in raw_claims()]
        for verdict in verdicts:
            assert verdict.failing == [SECOND]
            assert verdict.claim.severity == "WARN"
            assert "grant SELECT on telemetry.raw_telemetry" in str(verdict)
            assert f"{reader}@" not in str(verdict)


def test_the_roll_up_is_checked_in_the_job(clean_environment, platform, sources):
    sources.add_wearer("C1", "anna")
    add_raw(sources, FIRST)
    events = platform.instance.all_logs(platform.load(FIRST, OPEN))
    told = {
        e.dagster_event.event_specific_data.check_name: e.dagster_event.event_specific_data.passed
        for e in events
        if e.is_dagster_event and e.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
    }
    assert told["rolled_up_as_sent"]
    assert told["raw_rows_within_one_a_second"]
