"""dlt's source `sql_database`: both views read as Arrow and written to its load files, Parquet.

The load files are where dlt's part ends and the destination's begins: nothing is joined, and nothing is in ClickHouse.
With the argument `connectorx` it reads with that backend, by TCP; otherwise with its pyarrow backend.
"""

import os
import sys
from pathlib import Path

import dlt
import pyarrow.parquet as pq
import sqlalchemy as sa
from dlt.sources.sql_database import sql_table

from bench.measure import Job, Stopwatch, child, instants

BACKEND = "connectorx" if "connectorx" in sys.argv else "pyarrow"
ROWS_A_CHUNK = 100_000


def work(job: Job) -> tuple[int, dict[str, float]]:
    """Extract and normalize."""
    timed, (since, until) = Stopwatch(), instants(job)
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=f"{job.folder}/dlt", destination=dlt.destinations.filesystem(f"file://{job.folder}/to")
    )

    def only_the_window(query: sa.Select, table: sa.Table) -> sa.Select:
        return query.where(table.c.hour_start >= since, table.c.hour_start < until)

    options = {"backend": BACKEND, "chunk_size": ROWS_A_CHUNK, "reflection_level": "full_with_precision"}
    views = [
        sql_table(_url(job, "crm_db"), table="v_customer_prosthesis", schema="crm", **options),
        sql_table(
            _url(job, "telemetry_db"), table="v_hourly_telemetry", schema="telemetry",
            query_adapter_callback=only_the_window, **options,
        ),
    ]  # fmt: skip
    with timed("extract"):
        pipeline.extract(views, loader_file_format="parquet")
    with timed("normalize"):
        pipeline.normalize()
    files = [f for _, _, found in os.walk(f"{job.folder}/dlt") for f in found if f.startswith("v_hourly_telemetry")]
    if not files:
        raise RuntimeError("dlt wrote no load file of the telemetry")
    return _rows(f"{job.folder}/dlt"), timed.steps


def _url(job: Job, database: str) -> str:
    return f"postgresql+psycopg2://postgres@{job.host}:{job.port}/{database}"


def _rows(folder: str) -> int:
    """Rows of telemetry in the load files."""
    return sum(
        pq.read_metadata(Path(where) / name).num_rows
        for where, _, names in os.walk(folder)
        for name in names
        if name.startswith("v_hourly_telemetry") and name.endswith(".parquet") and "loaded" not in where
    )


if __name__ == "__main__":
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    child(work)
