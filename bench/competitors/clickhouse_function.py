"""ClickHouse's own way: one INSERT SELECT from its table function `postgresql()`, joined inside ClickHouse.

Nothing is checked, nothing is kept from readers until it is whole, and a second time would double the rows. It reads by
TCP, the others by socket.
"""

import json
import sys
from pathlib import Path

from bench.measure import Job, child
from bionicpro_assets.load.clickhouse import ClickHouse

TABLE = """
    CREATE TABLE default.plain ENGINE = MergeTree ORDER BY (user_id, report_date, report_hour, prosthesis_id)
    AS SELECT * FROM file('{file}', Parquet) LIMIT 0
"""
QUERY = """
    SELECT
        c.user_id AS user_id, toUInt32(c.prosthesis_id) AS prosthesis_id, assumeNotNull(c.chip_id) AS chip_id,
        toDate(t.hour_start, 'UTC') AS report_date, toHour(t.hour_start, 'UTC') AS report_hour,
        c.customer_full_name AS customer_name, c.prosthesis_model AS prosthesis_model,
        toUInt32(t.movements_count) AS movements_count, toUInt32(t.successful_movements) AS successful_movements,
        toFloat32(coalesce(t.avg_response_time, 0)) AS avg_response_time,
        toFloat32(coalesce(t.avg_battery_level, 0)) AS avg_battery_level, toUInt32(t.error_count) AS error_count,
        now() AS etl_processed_at, c.email AS customer_email, c.region AS customer_region,
        coalesce(c.branch, '') AS customer_branch, c.prosthesis_category AS prosthesis_category,
        c.prosthesis_serial AS prosthesis_serial, toFloat32(t.success_rate) AS success_rate,
        toUInt32(coalesce(t.min_response_time, 0)) AS min_response_time,
        toUInt32(coalesce(t.max_response_time, 0)) AS max_response_time,
        toUInt8(coalesce(t.min_battery_level, 0)) AS min_battery_level,
        toUInt8(coalesce(t.max_battery_level, 0)) AS max_battery_level,
        toFloat32(coalesce(t.avg_actuator_temp, 0)) AS avg_actuator_temp,
        toFloat32(coalesce(t.max_actuator_temp, 0)) AS max_actuator_temp, toUInt32(t.warning_count) AS warning_count,
        toFloat32(coalesce(t.avg_connection_quality, 0)) AS avg_connection_quality,
        toFloat32(coalesce(t.avg_myo_amplitude, 0)) AS avg_myo_amplitude, toDateTime(t.updated_at) AS source_updated_at
    FROM postgresql('{address}', 'telemetry_db', 'v_hourly_telemetry', 'postgres', '', 'telemetry') AS t
    INNER JOIN postgresql('{address}', 'crm_db', 'v_customer_prosthesis', 'postgres', '', 'crm') AS c
        ON c.chip_id = t.chip_id
    WHERE t.hour_start >= toDateTime64({since}, 6, 'UTC') AND t.hour_start < toDateTime64({until}, 6, 'UTC')
    SETTINGS join_use_nulls = 0, external_storage_max_read_rows = 0
"""


def main() -> None:
    """Once."""
    job = Job(**json.loads(sys.argv[1]))
    query = QUERY.format(address=f"{job.host}:{job.port}", since=job.since, until=job.until)
    with ClickHouse(f"chdb://{job.folder}/clickhouse") as clickhouse:
        clickhouse.command(TABLE.format(file=Path(job.folder).parent / "finished.parquet"))
        child(lambda _: work(clickhouse, query))


def work(clickhouse: ClickHouse, query: str) -> tuple[int, dict[str, float]]:
    """One statement."""
    clickhouse.command(f"INSERT INTO default.plain {query}")
    _, ((rows,),) = clickhouse.rows("SELECT count() FROM default.plain")
    return rows, {}


if __name__ == "__main__":
    main()
