"""The four tasks of the Airflow DAG, as the data contract describes them: pandas, JSON between tasks, tuples in.

Each task is a process, as under Airflow, and both extracts run at once. What costs Airflow more and isn't here: its
scheduler, its own processes' start, and writing each hand-over to its database. The rows go into the embedded engine
through clickhouse-connect, 10,000 tuples an INSERT.
"""

import json
import multiprocessing
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import clickhouse_connect
import pandas as pd
import psycopg2

from bench.measure import Job, Stopwatch, child, instants

ROWS_AN_INSERT = 10_000
CRM = "SELECT * FROM crm.v_customer_prosthesis"
TELEMETRY = "SELECT * FROM telemetry.v_hourly_telemetry WHERE hour_start >= %(since)s AND hour_start < %(until)s"
NAMES = {
    "customer_full_name": "customer_name",
    "email": "customer_email",
    "region": "customer_region",
    "branch": "customer_branch",
    "updated_at": "source_updated_at",
}
COLUMNS = [
    "user_id", "prosthesis_id", "chip_id", "report_date", "report_hour", "customer_name", "prosthesis_model",
    "movements_count", "successful_movements", "avg_response_time", "avg_battery_level", "error_count",
    "etl_processed_at", "customer_email", "customer_region", "customer_branch", "prosthesis_category",
    "prosthesis_serial", "success_rate", "min_response_time", "max_response_time", "min_battery_level",
    "max_battery_level", "avg_actuator_temp", "max_actuator_temp", "warning_count", "avg_connection_quality",
    "avg_myo_amplitude", "source_updated_at",
]  # fmt: skip
TEXTS = ["user_id", "chip_id", "customer_name", "prosthesis_model", "customer_email", "customer_region",
         "customer_branch", "prosthesis_category", "prosthesis_serial"]  # fmt: skip
INTEGERS = ["prosthesis_id", "report_hour", "movements_count", "successful_movements", "error_count",
            "min_response_time", "max_response_time", "min_battery_level", "max_battery_level",
            "warning_count"]  # fmt: skip
REALS = ["avg_response_time", "avg_battery_level", "success_rate", "avg_actuator_temp", "max_actuator_temp",
         "avg_connection_quality", "avg_myo_amplitude"]  # fmt: skip


def extract_crm_data(job: Job) -> None:
    """The CRM's view, as JSON."""
    _hand_over(job, "crm", _read(job.crm_url, CRM, {}))


def extract_telemetry_data(job: Job) -> None:
    """The window of the telemetry's view, as JSON."""
    since, until = instants(job)
    _hand_over(job, "telemetry", _read(job.telemetry_url, TELEMETRY, {"since": since, "until": until}))


def transform_and_join(job: Job) -> None:
    """The inner join on chip_id, as JSON."""
    customers, telemetry = pd.DataFrame(_taken(job, "crm")), pd.DataFrame(_taken(job, "telemetry"))
    joined = telemetry.merge(customers, on="chip_id", how="inner").rename(columns=NAMES)
    joined["etl_processed_at"] = pd.Timestamp.utcnow().isoformat()
    joined[TEXTS] = joined[TEXTS].fillna("")
    joined[INTEGERS] = joined[INTEGERS].apply(pd.to_numeric).fillna(0).astype(int)
    joined[REALS] = joined[REALS].apply(pd.to_numeric).fillna(0.0).astype(float)
    _hand_over(job, "joined", joined[COLUMNS])


def load_to_clickhouse(job: Job) -> None:
    """Plain INSERTs of 10,000 rows each."""
    records = _taken(job, "joined")
    with closing(clickhouse_connect.get_client(interface="chdb", path=f"{job.folder}/clickhouse")) as client:
        rows = [_as_tuple(record) for record in records]
        for first in range(0, len(rows), ROWS_AN_INSERT):
            client.insert("default.plain", rows[first : first + ROWS_AN_INSERT], column_names=COLUMNS)
    (Path(job.folder) / "rows.txt").write_text(str(len(rows)))


def _as_tuple(record: dict) -> tuple:
    record["report_date"] = pd.Timestamp(record["report_date"]).date()
    for name in ("etl_processed_at", "source_updated_at"):
        record[name] = pd.Timestamp(record[name]).to_pydatetime()
    return tuple(record[name] for name in COLUMNS)


def _read(url: str, query: str, parameters: dict) -> pd.DataFrame:
    with closing(psycopg2.connect(url)) as connection:
        return pd.read_sql(query, connection, params=parameters)


def _hand_over(job: Job, name: str, frame: pd.DataFrame) -> None:
    (Path(job.folder) / f"{name}.json").write_text(json.dumps(frame.to_dict("records"), default=str))


def _taken(job: Job, name: str) -> list[dict]:
    taken: list[dict] = json.loads((Path(job.folder) / f"{name}.json").read_text())
    return taken


def work(job: Job) -> tuple[int, dict[str, float]]:
    """The DAG."""
    timed = Stopwatch()
    for step, tasks in (
        ("extract", [extract_crm_data, extract_telemetry_data]),
        ("transform", [transform_and_join]),
        ("load", [load_to_clickhouse]),
    ):
        with timed(step):
            _run(tasks, job)
    return int((Path(job.folder) / "rows.txt").read_text()), timed.steps


def _run(tasks: list[Callable[[Job], None]], job: Job) -> None:
    # Forked, so that importing pandas costs nothing.
    started = [multiprocessing.get_context("fork").Process(target=task, args=(job,)) for task in tasks]
    for process in started:
        process.start()
    for process in started:
        process.join()
        if process.exitcode:
            raise RuntimeError(f"a task ended with {process.exitcode}")


def _make_table(job: Job) -> None:
    finished = Path(job.folder).parent / "finished.parquet"
    with closing(clickhouse_connect.get_client(interface="chdb", path=f"{job.folder}/clickhouse")) as client:
        client.command(
            "CREATE TABLE default.plain ENGINE = MergeTree ORDER BY (user_id, report_date, report_hour, prosthesis_id) "
            f"AS SELECT * FROM file('{finished}', Parquet) LIMIT 0"
        )


if __name__ == "__main__":
    import sys

    # In a process of its own: the engine doesn't survive a fork.
    _run([_make_table], Job(**json.loads(sys.argv[1])))
    child(work)
