"""quickhouse: both views moved into ClickHouse by its Rust engine, each into a table of its own that is swapped in.

It knows ClickHouse by HTTP only, so it writes through the tests' gateway, which is in this process, in front of the
embedded engine that the others write to as well. Bodies aren't compressed, as its documentation advises for a fast
network. A server reads a body while it comes; the gateway puts it into a file first, which costs quickhouse a copy of
every row. Nothing is joined, and nothing compared but the count; a table is replaced as a whole, so the hours before
the window would be gone from it.
"""

import json
import os
import sys
import threading

import quickhouse

from bench.measure import Job, Stopwatch, child, instants
from bionicpro_assets_tests.gateway.server import Gateway

DATABASE = "landing"
CRM = "crm.v_customer_prosthesis"
TELEMETRY = """
    SELECT * FROM telemetry.v_hourly_telemetry WHERE hour_start >= '{since}' AND hour_start < '{until}'
"""


def main() -> None:
    """Once."""
    job = Job(**json.loads(sys.argv[1]))
    # It logs every step to the standard error otherwise.
    os.environ["RUST_LOG"] = "error"
    gateway = Gateway(f"{job.folder}/clickhouse", ("127.0.0.1", 0), None, None)
    gateway.root.query(f"CREATE DATABASE {DATABASE} ENGINE = Atomic")
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    target = quickhouse.ClickHouse(f"http://127.0.0.1:{gateway.server_port}", database=DATABASE, compression="none")
    child(lambda job: work(job, target))
    gateway.shutdown()
    gateway.root.close()


def work(job: Job, target: quickhouse.ClickHouse) -> tuple[int, dict[str, float]]:
    """Two transfers."""
    timed, (since, until) = Stopwatch(), instants(job)
    with timed("crm"):
        quickhouse.sync(
            _source(job, "crm_db"), target, "crm_customer_prosthesis",
            source_table=CRM, mode="full", key=["prosthesis_id"],
        )  # fmt: skip
    with timed("telemetry"):
        moved = quickhouse.sync(
            _source(job, "telemetry_db"), target, "hourly_telemetry",
            source_query=TELEMETRY.format(since=since.isoformat(), until=until.isoformat()),
            mode="full", key=["chip_id", "hour_start"],
        )  # fmt: skip
    return moved.rows_written, timed.steps


def _source(job: Job, database: str) -> quickhouse.Postgres:
    return quickhouse.Postgres(f"postgresql://postgres@{job.host}:{job.port}/{database}?sslmode=disable")


if __name__ == "__main__":
    main()
