"""Corruptions of data, and the claims that must say so: one line each.

`{rows}` is the good rows of the hour in the table that is corrupted, `{telemetry}` those of the telemetry extract. What
is caught is written `table.claim`, with `crm`, `telemetry`, `quarantine`, `mart` and `roll_up` for the tables; it is all
that is caught, in the hour of the corruption and in no other.
"""

from dataclasses import dataclass
from typing import Any

from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY, Claim
from bionicpro_assets.quality.daily import DAILY
from bionicpro_assets.quality.source_claims import ROLL_UP

SHORT = {CRM: "crm", TELEMETRY: "telemetry", REJECTED: "quarantine", MART: "mart", ROLL_UP: "roll_up", DAILY: "daily"}
LONG = {short: table for table, short in SHORT.items()}


def short_name(claim: Claim) -> str:
    return f"{SHORT[claim.table]}.{claim.name}"


@dataclass(frozen=True)
class Stored:
    """Rows of one hour and table that were stored as something else than was made of the sources."""

    words: str
    table: str
    rows: str
    caught: str


def changed(**columns: str) -> str:
    """The rows, with other values for chip C01."""
    replaced = ", ".join(f"if(chip_id = 'C01', {value}, {name}) AS {name}" for name, value in columns.items())
    return f"SELECT * REPLACE ({replaced}) FROM {{rows}}"


DOUBLED = "SELECT * FROM {rows} UNION ALL SELECT * FROM {rows} WHERE chip_id = 'C01'"
OTHER_PERSON = "customer_id + 1 AS customer_id, 'x' AS user_id, 'y' AS customer_full_name"
LOST, NUMBERS, WEARER = "mart.nothing_lost_nothing_doubled", "mart.numbers_as_measured", "mart.right_wearer"
SET_ASIDE = (
    "SELECT hour_start, chip_id, {reason} AS reason, {no_wearer} AS no_wearer, now64(6) AS first_rejected_at, "
    "* EXCEPT (hour_start, chip_id) FROM {{telemetry}} WHERE chip_id <= '{last}'"
)

STORED = [
    # The first of the lines has the newest hour: the claims are evaluated while it hasn't begun.
    Stored(
        "an hour that hasn't begun", MART, "SELECT * FROM {rows}",
        "mart.no_hour_from_the_future telemetry.no_hour_from_the_future telemetry.no_stamp_from_the_future",
    ),
    Stored("a row is lost", MART, "SELECT * FROM {rows} WHERE chip_id != 'C01'", LOST),
    Stored("a row is doubled", MART, DOUBLED, f"{LOST} mart.one_row_per_prosthesis_and_hour"),
    Stored(
        "a row is there for another prosthesis too", MART,
        "SELECT * FROM {rows} UNION ALL SELECT * REPLACE (prosthesis_id + 1000 AS prosthesis_id) FROM {rows} WHERE chip_id = 'C01'",
        f"{LOST} {WEARER}",
    ),
    Stored("an hour is emptied", MART, "SELECT * FROM {rows} WHERE 0", LOST),
    Stored("a chip that sent nothing", MART, changed(chip_id="'C99'"), f"{LOST} {WEARER}"),
    Stored("one movement more", MART, changed(movements_count="movements_count + 1"), f"{LOST} {NUMBERS}"),
    Stored(
        "a movement goes from one to the other", MART,
        "SELECT * REPLACE (movements_count + (chip_id = 'C01') - (chip_id = 'C02') AS movements_count) FROM {rows}",
        f"{LOST} {NUMBERS}",
    ),
    Stored("errors forgotten", MART, changed(error_count="0"), f"{LOST} {NUMBERS}"),
    Stored("warnings forgotten", MART, changed(warning_count="0"), f"{LOST} {NUMBERS}"),
    Stored("another response time", MART, changed(avg_response_time="121.25"), NUMBERS),
    Stored("a response time forgotten", MART, changed(avg_response_time="0"), NUMBERS),
    Stored("another battery level", MART, changed(avg_battery_level="77.2"), NUMBERS),
    Stored("another amplitude", MART, changed(avg_myo_amplitude="55.5"), NUMBERS),
    Stored("somebody else's login", MART, changed(user_id="'login2'"), WEARER),
    Stored("somebody else's name", MART, changed(customer_name="'Ivanova2 Anna2'"), WEARER),
    Stored("somebody else's address", MART, changed(customer_email="'mail2@example.org'"), WEARER),
    Stored("another model", MART, changed(prosthesis_model="'Other'"), WEARER),
    Stored("no login", MART, changed(user_id="''"), f"{WEARER} mart.every_hour_has_a_person"),
    Stored("a blank name", MART, changed(customer_name="'  '"), f"{WEARER} mart.every_hour_has_a_person"),
    Stored("the day after", MART, changed(report_date="report_date + 1"), "mart.report_hour_is_local"),
    Stored("another hour of the day", MART, changed(report_hour="(report_hour + 1) % 24"), "mart.report_hour_is_local"),
    Stored(
        "more successes than movements", MART, changed(successful_movements="101"),
        f"{LOST} {NUMBERS} mart.successful_within_movements",
    ),
    Stored("a rate of 150 %", MART, changed(success_rate="150"), f"{NUMBERS} mart.percentages_within_0_and_100"),
    Stored("a quality that is no number", MART, changed(avg_connection_quality="nan"), f"{NUMBERS} mart.percentages_within_0_and_100"),
    Stored(
        "a battery of 101 %", MART, changed(avg_battery_level="101", max_battery_level="101"),
        f"{NUMBERS} mart.percentages_within_0_and_100",
    ),
    Stored(
        "a minimum above the average", MART, changed(min_response_time="122"),
        f"{NUMBERS} mart.minimum_average_maximum_in_order",
    ),
    Stored(
        "an average temperature above the highest, in winter", MART,
        changed(avg_actuator_temp="-5", max_actuator_temp="-10"), f"{NUMBERS} mart.minimum_average_maximum_in_order",
    ),
    Stored("a temperature that is no number", MART, changed(max_actuator_temp="nan"), f"{NUMBERS} mart.values_possible"),
    Stored("an infinite amplitude", MART, changed(avg_myo_amplitude="inf"), f"{NUMBERS} mart.values_possible"),
    Stored("a negative amplitude", MART, changed(avg_myo_amplitude="-1"), f"{NUMBERS} mart.values_possible"),
    Stored(
        "a response before the signal", MART, changed(avg_response_time="-1"),
        f"{NUMBERS} mart.values_possible mart.minimum_average_maximum_in_order",
    ),
    Stored("a row of telemetry twice", TELEMETRY, DOUBLED, f"{LOST} telemetry.one_row_per_chip_and_hour"),
    Stored("most rows of an hour lost", TELEMETRY, "SELECT * FROM {rows} WHERE chip_id < 'C10'", f"{LOST} telemetry.hour_not_shrunk"),
    Stored("a whole hour lost", TELEMETRY, "SELECT * FROM {rows} WHERE 0", f"{LOST} telemetry.hour_not_shrunk"),
    Stored(
        "a stamp from tomorrow", TELEMETRY, changed(updated_at="now64(6) + INTERVAL 1 DAY"),
        "telemetry.no_stamp_from_the_future",
    ),
    Stored(
        "more successes than movements, as sent", TELEMETRY, changed(successful_movements="101"),
        f"{LOST} {NUMBERS} telemetry.successful_within_movements",
    ),
    Stored(
        "a quality of 250 %, as sent", TELEMETRY, changed(avg_connection_quality="250"),
        f"{NUMBERS} telemetry.percentages_within_0_and_100",
    ),
    Stored(
        "a battery below 0, as sent", TELEMETRY, changed(min_battery_level="-5"),
        f"{NUMBERS} telemetry.percentages_within_0_and_100",
    ),
    Stored(
        "an average of 0 with a minimum of 80, as sent", TELEMETRY, changed(avg_response_time="0"),
        f"{NUMBERS} telemetry.minimum_average_maximum_in_order",
    ),
    Stored("a response time that is no number, as sent", TELEMETRY, changed(avg_response_time="nan"), f"{NUMBERS} telemetry.values_possible"),
    Stored("negative errors, as sent", TELEMETRY, changed(error_count="-1"), f"{LOST} {NUMBERS} telemetry.values_possible"),
    Stored("5,000 movements in an hour", TELEMETRY, changed(movements_count="5000"), f"{LOST} {NUMBERS} telemetry.counts_within_one_a_second"),
    Stored("a response of a minute", TELEMETRY, changed(max_response_time="60000"), f"{NUMBERS} telemetry.response_times_plausible"),
    Stored("150 degrees", TELEMETRY, changed(max_actuator_temp="150"), f"{NUMBERS} telemetry.temperatures_plausible"),
    Stored("60 degrees below 0", TELEMETRY, changed(avg_actuator_temp="-60"), f"{NUMBERS} telemetry.temperatures_plausible"),
    Stored("two wearers of a chip", CRM, DOUBLED, "crm.one_wearer_per_chip"),
    Stored(
        "a quarter of all wearers gone at once", CRM,
        "SELECT * REPLACE (if(chip_id <= 'C06', hour_start + 600, NULL) AS ended_at) FROM {rows}", "crm.crm_not_shrunk",
    ),
    Stored("a customer without an address", CRM, changed(email="' '"), f"{WEARER} crm.every_person_has_a_login_and_name"),
    Stored("a customer without a login", CRM, changed(user_id="''"), f"{WEARER} crm.every_person_has_a_login_and_name"),
    Stored("a chip of several prostheses", CRM, changed(ownership="'contested'"), f"{WEARER} crm.one_prosthesis_per_chip"),
    Stored("a chip with another wearer", CRM, f"SELECT * REPLACE ({OTHER_PERSON}) FROM {{rows}}", WEARER),
    Stored("a quarter of the wearers assumed", CRM, "SELECT * REPLACE (if(chip_id <= 'C06', 'assumed', 'named') AS ownership) FROM {rows}", "crm.wearers_named"),
    Stored(
        "a row in the reports and in the quarantine", REJECTED, SET_ASIDE.format(reason="'nobody'", no_wearer=1, last="C01"),
        f"{LOST} quarantine.every_chip_known",
    ),
    Stored(
        "an impossible value", REJECTED, SET_ASIDE.format(reason="'impossible'", no_wearer=0, last="C01"),
        f"{LOST} quarantine.no_value_rejected",
    ),
    Stored(
        "nearly nobody known", REJECTED, SET_ASIDE.format(reason="'nobody'", no_wearer=1, last="C22"),
        f"{LOST} quarantine.every_chip_known quarantine.most_telemetry_attributed",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A row of hourly_stats that is as the columns say, or a customer who is."""

    words: str
    columns: dict[str, Any]
    caught: str
    set_aside: str | None


ASIDE = "quarantine.no_value_rejected"

SENT = [
    Sent("more successes than movements", {"successful_movements": 101}, f"telemetry.successful_within_movements {ASIDE}", "more successful movements than movements"),
    Sent("a battery of 130 %", {"max_battery_level": 130}, f"telemetry.percentages_within_0_and_100 {ASIDE}", "max_battery_level is outside 0 to 100"),
    Sent("a negative quality", {"avg_connection_quality": -1}, f"telemetry.percentages_within_0_and_100 {ASIDE}", "avg_connection_quality is outside 0 to 100"),
    Sent("a response time that is no number", {"avg_response_time": "NaN"}, f"telemetry.values_possible {ASIDE}", "avg_response_time is not a finite number"),
    Sent("an infinite temperature", {"max_actuator_temp": "Infinity"}, f"telemetry.values_possible {ASIDE}", "max_actuator_temp is not a finite number"),
    Sent("negative movements", {"movements_count": -1, "successful_movements": -1}, f"telemetry.values_possible {ASIDE}", "movements_count is negative"),
    Sent("a minimum above the maximum", {"min_response_time": 500}, f"telemetry.minimum_average_maximum_in_order {ASIDE}", "min, avg and max of response_time are out of order"),
    Sent("an average of 0 between 80 and 240", {"avg_response_time": 0}, f"telemetry.minimum_average_maximum_in_order {ASIDE}", "min, avg and max of response_time are out of order"),
    Sent("an average temperature above the highest", {"avg_actuator_temp": 50}, f"telemetry.minimum_average_maximum_in_order {ASIDE}", "avg_actuator_temp is above max_actuator_temp"),
    Sent("a count of 2^31 - 1", {"error_count": 2**31 - 1}, "telemetry.counts_within_one_a_second", None),
    Sent("a response of 24 days", {"max_response_time": 2**31 - 1}, "telemetry.response_times_plausible", None),
    Sent(
        "a response time that no Float32 is near", {"min_response_time": 2**24 + 1, "avg_response_time": 2**24 + 1, "max_response_time": 2**24 + 1},
        "telemetry.response_times_plausible", None,
    ),
    Sent("an amplitude of 5 kilovolts", {"avg_myo_amplitude": 5e9}, "", None),
    Sent("a hot actuator", {"max_actuator_temp": 300}, "telemetry.temperatures_plausible", None),
    Sent("a stamp from tomorrow", {"updated_at": "tomorrow"}, "telemetry.no_stamp_from_the_future", None),
    Sent("a chip that the CRM doesn't know", {"unknown": True}, "quarantine.every_chip_known", "the CRM doesn't know the chip"),
    Sent("a customer without a name", {"nameless": True}, "crm.every_person_has_a_login_and_name quarantine.every_chip_known", "the CRM has no login or no name for the wearer of the chip"),
    Sent("a prosthesis changed before there was a calendar", {"changed": "0001-01-01 00:00+00"}, "crm.values_can_be_kept", None),
    Sent("a prosthesis changed at no time", {"changed": "-infinity"}, "crm.values_can_be_kept", None),
    Sent("an hour that hasn't begun", {"ahead": "3 hours"}, "telemetry.no_hour_ahead", None),
    Sent("a prosthesis with a number below 0", {"number": -5}, "crm.rows_can_be_kept", None),
    Sent("a chip of two prostheses", {"contested": True}, "crm.one_prosthesis_per_chip quarantine.every_chip_known", "the CRM names several prostheses for the chip"),
]  # fmt: skip


@dataclass(frozen=True)
class Blocked:
    """What is done to a source so that a run must not publish; `undo` heals it."""

    words: str
    source: str
    change: str
    undo: str
    caught: str


CRM_VIEW, TELEMETRY_VIEW = "crm.v_customer_prosthesis", "telemetry.v_hourly_telemetry"

BLOCKED = [
    Blocked(
        "a third of the customers leave the CRM", "crm",
        "UPDATE crm.prostheses SET status = 'retired', customer_id = NULL, sold_date = '2020-01-01' WHERE chip_id <= 'C08'",
        "UPDATE crm.prostheses SET status = 'active', customer_id = (SELECT customer_id FROM crm.customers WHERE external_id = 'patient_' || chip_id) WHERE chip_id <= 'C08'",
        "crm.crm_not_shrunk",
    ),
    Blocked(
        "the view has every chip twice", "telemetry",
        f"ALTER VIEW {TELEMETRY_VIEW} RENAME TO v_real; CREATE VIEW {TELEMETRY_VIEW} AS SELECT * FROM telemetry.v_real "
        "UNION ALL SELECT * FROM telemetry.v_real",
        f"DROP VIEW {TELEMETRY_VIEW}; ALTER VIEW telemetry.v_real RENAME TO v_hourly_telemetry",
        "telemetry.one_row_per_chip_and_hour",
    ),
    Blocked(
        "all chips are written otherwise", "telemetry", "UPDATE telemetry.hourly_stats SET chip_id = lower(chip_id)",
        "UPDATE telemetry.hourly_stats SET chip_id = upper(chip_id)", "quarantine.most_telemetry_attributed",
    ),
    Blocked(
        "a column of the CRM's view has another name", "crm", f"ALTER VIEW {CRM_VIEW} RENAME COLUMN email TO mail",
        f"ALTER VIEW {CRM_VIEW} RENAME COLUMN mail TO email", "crm.view_as_contracted",
    ),
    Blocked(
        "the CRM's view is gone", "crm", f"ALTER VIEW {CRM_VIEW} RENAME TO v_old",
        "ALTER VIEW crm.v_old RENAME TO v_customer_prosthesis", "crm.view_as_contracted",
    ),
    Blocked(
        "a column of telemetry is missing", "telemetry",
        f"ALTER VIEW {TELEMETRY_VIEW} RENAME TO v_real; CREATE VIEW {TELEMETRY_VIEW} AS SELECT chip_id, hour_start FROM telemetry.v_real",
        f"DROP VIEW {TELEMETRY_VIEW}; ALTER VIEW telemetry.v_real RENAME TO v_hourly_telemetry",
        "telemetry.view_as_contracted",
    ),
    Blocked(
        "a column of telemetry has become text", "telemetry",
        f"ALTER VIEW {TELEMETRY_VIEW} RENAME TO v_real; ALTER VIEW telemetry.v_real RENAME COLUMN movements_count TO movements; "
        f"CREATE VIEW {TELEMETRY_VIEW} AS SELECT r.*, r.movements::text AS movements_count FROM telemetry.v_real r",
        f"DROP VIEW {TELEMETRY_VIEW}; ALTER VIEW telemetry.v_real RENAME COLUMN movements TO movements_count; "
        "ALTER VIEW telemetry.v_real RENAME TO v_hourly_telemetry",
        "telemetry.view_as_contracted",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Raw:
    """What is done to raw rows, or to what they were rolled up to."""

    words: str
    change: str
    caught: str


RAW_AT = "timestamp >= %(hour)s AND timestamp < %(hour)s + interval '1 hour'"
RAW = [
    Raw("nothing", "SELECT 1", ""),
    Raw("a raw row deleted", f"DELETE FROM telemetry.raw_telemetry WHERE telemetry_id = (SELECT min(telemetry_id) FROM telemetry.raw_telemetry WHERE {RAW_AT})", "roll_up.rolled_up_as_sent"),
    Raw("all raw rows of a chip deleted", f"DELETE FROM telemetry.raw_telemetry WHERE chip_id = 'C1' AND {RAW_AT}", "roll_up.rolled_up_as_sent"),
    Raw("a raw row that nobody rolled up", "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type, created_at) VALUES ('C1', %(hour)s, 'grip', %(hour)s)", "roll_up.rolled_up_as_sent"),
    Raw("a raw row that came in just now", "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type) VALUES ('C1', %(hour)s, 'grip')", ""),
    Raw("the roll-up changed by hand", "UPDATE telemetry.hourly_stats SET warning_count = 7 WHERE chip_id = 'C1' AND hour_start = %(hour)s", "roll_up.rolled_up_as_sent"),
    Raw(
        "more than one row a second",
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, created_at) SELECT 'C2', %(hour)s + n * interval '0.8 s', %(hour)s FROM generate_series(0, 4499) n",
        "roll_up.raw_rows_within_one_a_second",
    ),
    Raw("a rolled-up row deleted", "DELETE FROM telemetry.hourly_stats WHERE chip_id = 'C1' AND hour_start = %(hour)s", "roll_up.rolled_up_as_sent"),
    # In the last hours of the window, which these two are told of.
    Raw("a reading delivered twice", f"INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, created_at) SELECT chip_id, timestamp, %(hour)s FROM telemetry.raw_telemetry WHERE chip_id = 'C1' AND {RAW_AT} AND movement_type IS NULL LIMIT 1", "roll_up.raw_rows_sent_once"),
    Raw("a reading of tomorrow", "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, created_at) VALUES ('C1', now() + interval '1 day', %(hour)s)", "roll_up.no_reading_ahead"),
]  # fmt: skip


@dataclass(frozen=True)
class Odd:
    """What happens to a fleet of which five weeks are known; `rows` as in Stored, in the hours `ago` before the last."""

    words: str
    ago: tuple[int, ...]
    rows: str
    caught: str


ODD = [
    Odd("a chip falls silent", (2, 1, 0), "SELECT * FROM {rows} WHERE chip_id != 'C01'", "telemetry.no_prosthesis_silent"),
    Odd("a chip is silent for two hours", (1, 0), "SELECT * FROM {rows} WHERE chip_id != 'C01'", ""),
    Odd("a third of the usual volume", (0,), "SELECT * FROM {rows} WHERE chip_id <= 'C08'", "telemetry.volume_as_usual telemetry.hour_not_shrunk"),
    Odd("three times the usual volume", (0,), "SELECT * REPLACE (concat(chip_id, suffix) AS chip_id) FROM (SELECT * FROM {rows}) AS r CROSS JOIN (SELECT arrayJoin(['', 'x', 'y']) AS suffix) AS s", "telemetry.volume_as_usual"),
]  # fmt: skip


@dataclass(frozen=True)
class Days:
    """What is done to the view of the days, by other words in its SQL, or to the rows of one hour that it is made of."""

    words: str
    caught: str
    view: tuple[str, str] = ("", "")
    rows: str = ""


SUMS, WEIGHTS = "daily.days_are_the_sums_of_their_hours", "daily.averages_weighted_by_their_hours"
RESPONSE = (
    "sumIf(toFloat64(m.avg_response_time) * m.movements_count, m.max_response_time > 0) / nullIf(timed_movements, 0)"
)
TWO_CHIPS = "SELECT * FROM {rows} UNION ALL SELECT * REPLACE ('NEW' AS chip_id) FROM (SELECT * FROM {rows} WHERE chip_id = 'C01')"
HOURS_ACTIVE = "bitCount(groupBitOr(bitShiftLeft(toUInt64(1), intDiv(toUnixTimestamp(hour_start), 3600) % 64)))"
DAYS = [
    Days("an average of averages", WEIGHTS, view=(RESPONSE, "avgIf(toFloat64(m.avg_response_time), m.max_response_time > 0)")),
    Days("hours without a movement count as 0 ms", WEIGHTS, view=(RESPONSE, "sum(toFloat64(m.avg_response_time)) / count()")),
    Days("hours without a level count as 0 %", WEIGHTS, view=("/ nullIf(connection_hours, 0)", "/ count()"), rows=changed(avg_connection_quality="0")),
    Days("levels weighted by movements", WEIGHTS, view=("sumIf(toFloat64(m.avg_battery_level), m.max_battery_level > 0) / nullIf(battery_hours, 0)", "avgWeighted(toFloat64(m.avg_battery_level), toFloat64(m.movements_count))")),
    Days("a mean of the hours' rates", WEIGHTS, view=("100 * successful_movements / nullIf(movements_count, 0)", "avgIf(toFloat64(m.success_rate), m.movements_count > 0)")),
    Days("a rate of 0 where there was no movement", WEIGHTS, view=("100 * successful_movements / nullIf(movements_count, 0)", "ifNull(100 * successful_movements / nullIf(movements_count, 0), 0)")),
    Days("all publications count", f"{SUMS} {WEIGHTS}", view=("WHERE (hour_start, publication) IN", "WHERE 1 OR (hour_start, publication) IN"), rows="SELECT * FROM {rows}"),
    Days("the first hour of the day is left out", f"{SUMS} {WEIGHTS}", view=("WHERE (hour_start", "WHERE report_hour > 0 AND (hour_start")),
    Days("a row for each chip", f"daily.one_row_per_user_prosthesis_and_day {SUMS} {WEIGHTS}", view=("GROUP BY user_id, prosthesis_id, report_date", "GROUP BY user_id, prosthesis_id, report_date, chip_id"), rows=TWO_CHIPS),
    Days("a prosthesis with two chips in an hour, which is one hour", "", rows=TWO_CHIPS),
    Days("a prosthesis with two chips in an hour, counted twice", f"daily.hours_within_the_day {SUMS}", view=(HOURS_ACTIVE, "count()"), rows=TWO_CHIPS),
    Days("an hour under another report time zone", f"{SUMS} {WEIGHTS}", rows="SELECT * REPLACE (report_date - 1 AS report_date) FROM {rows}"),
    Days("an hour that was never loaded", "daily.every_hour_of_the_day_loaded", rows="DELETE"),
]  # fmt: skip

# Claims that are about the moment, the table or the journal, and what breaks them: see test_corruptions.py.
ELSEWHERE = {
    "telemetry.source_is_fresh": "test_a_source_that_stopped",
    "mart.mart_is_fresh": "test_a_mart_that_stopped",
    "mart.mart_as_contracted": "test_another_mart_under_its_name",
    "mart.reports_are_as_published": "test_rows_changed_behind_the_journal",
}
