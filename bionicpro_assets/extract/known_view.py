"""Whether `telemetry.v_hourly_telemetry` is a view we know, so that its table can be read without it."""

import re

from bionicpro_assets.extract.postgres import Snapshot
from bionicpro_assets.sqlfiles import sql

# Columns of the view as PostgreSQL prints them, without the table's name. Whatever isn't here is a view that we don't
# know: `DISTINCT`, an aggregate or a set-returning function would change the rows, even in a column that isn't read.
PASSED_ON = (
    "id",
    "chip_id",
    "hour_start",
    "movements_count",
    "successful_movements",
    "min_response_time",
    "max_response_time",
    "min_battery_level",
    "max_battery_level",
    "error_count",
    "warning_count",
    "created_at",
    "updated_at",
)
AVERAGES = (
    "avg_response_time",
    "avg_battery_level",
    "avg_actuator_temp",
    "max_actuator_temp",
    "avg_myo_amplitude",
    "avg_connection_quality",
)
# The same to the last bit; the reason is in hourly_telemetry_from_table.sql. The first is our own schema's.
PERCENTAGES = (
    "((100.0 * (successful_movements)::numeric) / (movements_count)::numeric)",
    "(((successful_movements)::numeric * 100.0) / (movements_count)::numeric)",
    "(((successful_movements)::numeric / (movements_count)::numeric) * 100.0)",
    "(((successful_movements)::numeric / (movements_count)::numeric) * (100)::numeric)",
)
ZEROS = ("0.00", "0.0", "(0)::numeric")
# Not read; each follows the session's time zone.
LOCAL_TIMES = (
    "(hour_start)::date AS report_date",
    "date(hour_start) AS report_date",
    "(EXTRACT(hour FROM hour_start))::integer AS report_hour",
    "(EXTRACT(hour FROM hour_start))::smallint AS report_hour",
)
KNOWN_COLUMNS = frozenset(
    [
        *PASSED_ON,
        *LOCAL_TIMES,
        *(f"round(({average})::numeric, 2) AS {average}" for average in AVERAGES),
        *(
            f"CASE WHEN (movements_count > 0) THEN round({percentage}, 2) ELSE {zero} END AS success_rate"
            for percentage in PERCENTAGES
            for zero in ZEROS
        ),
    ]
)
_COLUMN = "|".join(re.escape(column) for column in sorted(KNOWN_COLUMNS))
_COLUMNS = re.compile(f"(?:{_COLUMN})(?:, (?:{_COLUMN}))*")
_VIEW = re.compile(r"SELECT (?P<columns>.+) FROM (?:telemetry\.)?hourly_stats(?: (?P<alias>\w+))?;")


def table_may_be_read(snapshot: Snapshot) -> bool:
    """Whether `telemetry.hourly_stats` gives this user the rows of the view, with averages that it can be rounded from.

    Any doubt is a no. The view's columns and their types are checked by `HOURLY_TELEMETRY.check`.

    Raises:
        SourceError: The catalog can't be read.
    """
    found = snapshot.read(sql("telemetry/queries/view_of_hourly_stats.sql"))
    return any(alike and is_known(definition) for definition, alike in found.iter_rows())


def is_known(definition: str) -> bool:
    """Whether a view, as `pg_get_viewdef` prints it, has known columns of `hourly_stats`, of all its rows.

    Before version 16 PostgreSQL names the table before each column.
    """
    view = _VIEW.fullmatch(" ".join(definition.split()))
    if not view:
        return False
    columns = re.sub(rf"\b{view['alias'] or 'hourly_stats'}\.", "", view["columns"])
    return _COLUMNS.fullmatch(columns) is not None
