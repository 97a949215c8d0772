"""The floor: both sources copied to nowhere, and the finished rows inserted into a plain table.

Binary COPY is the fastest way out of PostgreSQL and one stream of Arrow a fast way into ClickHouse. Nothing is joined,
checked, compared or made visible. The finished rows are in `finished.parquet`; reading that file isn't timed.
"""

import json
import sys
from contextlib import closing
from pathlib import Path

import polars as pl
import psycopg2
import pyarrow.parquet as pq

from bench.measure import Job, Stopwatch, child, instants
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.publish import arrow_stream

# The columns of the mart's making; averages as the table has them, not as the view rounds them.
CRM = "SELECT * FROM crm.v_customer_prosthesis"
TELEMETRY = """
    SELECT chip_id, hour_start, movements_count, successful_movements, avg_response_time, min_response_time,
           max_response_time, avg_battery_level, min_battery_level, max_battery_level, avg_actuator_temp,
           max_actuator_temp, error_count, warning_count, avg_myo_amplitude, avg_connection_quality, updated_at
    FROM telemetry.hourly_stats WHERE hour_start >= '{since}' AND hour_start < '{until}'
"""
ROWS_A_BATCH = 100_000
TABLE = """
    CREATE TABLE default.plain ENGINE = MergeTree ORDER BY (user_id, report_date, report_hour, prosthesis_id)
    AS SELECT * FROM file('{file}', Parquet) LIMIT 0
"""


def main() -> None:
    """Once."""
    job = Job(**json.loads(sys.argv[1]))
    finished = Path(job.folder).parent / "finished.parquet"
    rows = pl.DataFrame(pl.from_arrow(pq.read_table(finished)))
    with ClickHouse(f"chdb://{job.folder}/clickhouse") as clickhouse:
        clickhouse.command(TABLE.format(file=finished))
        child(lambda job: work(job, clickhouse, rows))


def work(job: Job, clickhouse: ClickHouse, rows: pl.DataFrame) -> tuple[int, dict[str, float]]:
    """Read both, then write."""
    timed, (since, until) = Stopwatch(), instants(job)
    for step, url, query in (("COPY crm", job.crm_url, CRM), ("COPY telemetry", job.telemetry_url, TELEMETRY)):
        with timed(step), closing(psycopg2.connect(url)) as connection, Path("/dev/null").open("wb") as nowhere:
            copy = f"COPY ({query.format(since=since.isoformat(), until=until.isoformat())}) TO STDOUT (FORMAT binary)"
            connection.cursor().copy_expert(copy, nowhere)
    with timed("INSERT"):
        clickhouse.insert_arrow_stream("default.plain", rows.columns, arrow_stream(rows, ROWS_A_BATCH))
    return rows.height, timed.steps


if __name__ == "__main__":
    main()
