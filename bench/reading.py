"""What readers pay for committed publications: the public view against a plain table with the same final rows.

    python -m bench.reading [--prostheses 2000] [--days 90] [--times 3] [--rounds 7] [--json FILE]

Every hour is published several times, the hours of the last day one by one and the others a day at a time, and merges
are off: nothing is merged and nothing is swept. The plain table took the same final rows in the same portions. Then the
real sweep and a merge of everything, on both sides, and the same queries again. The journal also has, for every hour,
the nine confirmations that a quarter-hourly refresh leaves behind.

Beside it the same plain table by a view of a view of it, both of nothing but its columns: what ClickHouse takes to plan
two views, which is what the public view is made of.
"""

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.sources import work_folder
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.sqlfiles import sql

MART = "reports.user_prosthesis_stats"
STORAGE = "storage.user_prosthesis_stats"
PLAIN, PLAIN_VIEW = "plain.rows", "plain.view_of_a_view"
CONFIRMATIONS = 9
JOURNAL = "table_name, hour_start, publication, source_read_at, started_at, row_count, checksum, run_id, committed_at"
# A row of the mart for prosthesis n in hour h, of the publication v; what changes between publications is a count.
ROW = """
    concat('login', leftPad(toString(n), 7, '0')) AS user_id, toUInt32(n) AS prosthesis_id,
    concat('CHIP-', leftPad(toString(n), 7, '0')) AS chip_id, toDate(h, 'UTC') AS report_date,
    toHour(h, 'UTC') AS report_hour, concat('Petrov Ivan ', toString(n % 5000)) AS customer_name,
    ['Falcon', 'Osprey', 'Heron'][n % 3 + 1] AS prosthesis_model,
    toUInt32(cityHash64(n, h) % 600 + v) AS movements_count, toUInt32(movements_count * 0.9) AS successful_movements,
    toFloat32(110 + cityHash64(n, h, 1) % 600 / 10) AS avg_response_time,
    toFloat32(cityHash64(n, h, 2) % 1000 / 10) AS avg_battery_level, toUInt32(cityHash64(n, h, 3) % 3) AS error_count,
    h AS etl_processed_at, concat('p', toString(n), '@example.org') AS customer_email, 'europe' AS customer_region,
    '' AS customer_branch, 'hand' AS prosthesis_category, concat('SN', toString(n)) AS prosthesis_serial,
    toFloat32(90) AS success_rate, 80 AS min_response_time, 240 AS max_response_time, 70 AS min_battery_level,
    84 AS max_battery_level, toFloat32(30 + cityHash64(n, h, 4) % 100 / 10) AS avg_actuator_temp,
    toFloat32(36) AS max_actuator_temp, toUInt32(cityHash64(n, h, 5) % 9) AS warning_count,
    toFloat32(97) AS avg_connection_quality,
    toFloat32(90 + cityHash64(n, h, 6) % 2000 / 10) AS avg_myo_amplitude, h AS source_updated_at
"""
QUERIES = {
    "a patient's last 30 days": "SELECT * FROM {table} WHERE user_id = 'login0000077' AND report_date > today() - 30 "
    "ORDER BY report_date, report_hour",
    "a patient's last year": "SELECT * FROM {table} WHERE user_id = 'login0000077' AND report_date > today() - 365 "
    "ORDER BY report_date, report_hour",
    "monitoring: today by user": sql("clickhouse/queries/monitor_today_by_user.sql").replace(MART, "{table}"),
    "monitoring: last days": sql("clickhouse/queries/monitor_last_days.sql").replace(MART, "{table}"),
    "yesterday's top 20": "SELECT user_id, customer_name, sum(movements_count) AS movements FROM {table} "
    "WHERE report_date = today() - 1 GROUP BY user_id, customer_name ORDER BY movements DESC LIMIT 20",
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=2000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--times", type=int, default=3, help="publications of every hour")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.prostheses, arguments.days, arguments.times, arguments.rounds)
    sys.stdout.write(as_table(found) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


# Milliseconds by the clock and of processor time, by query and table.
Times = dict[str, dict[str, tuple[float, float]]]


def measured(prostheses: int, days: int, times: int, rounds: int) -> dict[str, Times]:
    """Medians by state."""
    with work_folder() as folder, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        _fill(clickhouse, prostheses, days, times)
        found = {"unmerged, unswept": _times(clickhouse, rounds)}
        # A DELETE waits for a mutation, which is a merge to ClickHouse.
        for table in (STORAGE, PLAIN):
            clickhouse.command(f"SYSTEM START MERGES {table}")
        began = time.perf_counter()
        swept = sweep(clickhouse, MART, replaced_grace=timedelta(0))
        _say(f"swept {sum(swept.rows.values())} rows in {time.perf_counter() - began:.0f} s")
        for table in (STORAGE, PLAIN):
            clickhouse.command(f"OPTIMIZE TABLE {table} FINAL")
        _say(f"merged in {time.perf_counter() - began:.0f} s")
        found["swept and merged"] = _times(clickhouse, rounds)
    return found


def _fill(clickhouse: ClickHouse, prostheses: int, days: int, times: int) -> None:
    began = time.perf_counter()
    clickhouse.command("CREATE DATABASE plain")
    clickhouse.command(
        f"CREATE TABLE {PLAIN} ENGINE = MergeTree PARTITION BY toYYYYMM(report_date) "
        f"ORDER BY (user_id, report_date, report_hour, prosthesis_id) AS SELECT * FROM {MART} LIMIT 0"
    )
    clickhouse.command(f"CREATE VIEW plain.view AS SELECT * FROM {PLAIN}")
    clickhouse.command(f"CREATE VIEW {PLAIN_VIEW} AS SELECT * FROM plain.view")
    for table in (STORAGE, PLAIN):
        clickhouse.command(f"SYSTEM STOP MERGES {table}")
    last = floor_hour(datetime.now(UTC))
    midnight = last.replace(hour=0)
    portions = [(midnight - timedelta(days=back), 24) for back in range(days - 1, 0, -1)]
    portions += [(midnight + timedelta(hours=h), 1) for h in range(last.hour + 1)]
    for first, hours in portions:
        for version in range(1, times + 1):
            _publish(clickhouse, prostheses, first, hours, version, final=version == times)
    clickhouse.command(
        f"INSERT INTO storage.publications ({JOURNAL}) SELECT table_name, hour_start, publication, "
        f"addSeconds(source_read_at, c), addSeconds(started_at, c), row_count, checksum, 'bench', committed_at "
        f"FROM storage.publications "
        f"CROSS JOIN (SELECT number + 1 AS c FROM numbers({CONFIRMATIONS})) AS n "
        f"WHERE run_id = 'bench {times}'"
    )
    _, ((stored, parts),) = clickhouse.rows(
        "SELECT sum(rows), count() FROM system.parts "
        "WHERE database = 'storage' AND table = 'user_prosthesis_stats' AND active"
    )
    _say(f"{stored} rows stored in {parts} parts after {time.perf_counter() - began:.0f} s")


def _publish(
    clickhouse: ClickHouse, prostheses: int, first: datetime, hours: int, version: int, *, final: bool
) -> None:
    seconds = int(first.timestamp())
    rows = (
        f"SELECT {ROW}, h AS hour_start, toUInt64({version}) AS publication "
        f"FROM (SELECT number AS n FROM numbers({prostheses})) "
        f"AS p CROSS JOIN (SELECT toDateTime({seconds} + 3600 * number, 'UTC') AS h, {version} AS v "
        f"FROM numbers({hours})) AS w"
    )
    names = [part.rsplit(" AS ", 1)[1].split(",")[0].strip() for part in _expressions(ROW)]
    clickhouse.command(f"INSERT INTO {STORAGE} ({', '.join(names)}, hour_start, publication) {rows}")
    if final:
        clickhouse.command(f"INSERT INTO {PLAIN} ({', '.join(names)}) SELECT {', '.join(names)} FROM ({rows})")
    clickhouse.command(
        f"INSERT INTO storage.publications ({JOURNAL}) SELECT '{MART}', toDateTime({seconds} + 3600 * number, 'UTC'), "
        f"{version}, toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + {version * 60}, now64(6), {prostheses}, 0, "
        f"'bench {version}', now64(6) - 86400 FROM numbers({hours})"
    )


def _expressions(columns: str) -> list[str]:
    """The expressions of a SELECT list; commas within brackets don't separate them."""
    parts, depth = [""], 0
    for character in columns:
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _times(clickhouse: ClickHouse, rounds: int) -> Times:
    found: Times = {}
    for name, query in QUERIES.items():
        taken: dict[str, list[tuple[float, float]]] = {MART: [], PLAIN: [], PLAIN_VIEW: []}
        answers = {}
        for _ in range(rounds + 1):
            for table, milliseconds in taken.items():
                # The engine is in this process, and so is its processor time.
                began, used = time.perf_counter(), time.process_time()
                _, answers[table] = clickhouse.rows(query.format(table=table))
                took = time.perf_counter() - began, time.process_time() - used
                milliseconds.append((took[0] * 1000, took[1] * 1000))
        if len(answers[MART]) != len(answers[PLAIN]) or not answers[MART]:
            raise RuntimeError(f"{name}: {len(answers[MART])} rows by the view, {len(answers[PLAIN])} are right")
        # The first of each warms up.
        found[name] = {
            table: (statistics.median(m[0] for m in several[1:]), statistics.median(m[1] for m in several[1:]))
            for table, several in taken.items()
        }
        _say(f"{name}: {found[name]}")
    return found


def as_table(found: dict[str, Times]) -> str:
    """A Markdown table, ratios first."""
    lines = [
        "| | state | view / plain, processor | two plain views / plain, processor | by the clock "
        "| view, ms | plain, ms | more, processor ms |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for state, times in found.items():
        for name, by in times.items():
            (view, view_used), (plain, plain_used), (_, planned) = by[MART], by[PLAIN], by[PLAIN_VIEW]
            lines.append(
                f"| {name} | {state} | {view_used / plain_used:.2f} | {planned / plain_used:.2f} | {view / plain:.2f} "
                f"| {view:.1f} | {plain:.1f} | {view_used - plain_used:.1f} |"
            )
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
