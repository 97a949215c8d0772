"""The stock way with Dagster: assets that return polars frames, stored by `dagster-clickhouse-polars`.

The package's own `handle_output` turns each frame into a list of dicts; clickhouse-driver's own code encodes them as
native blocks. There is no ClickHouse server here for its native protocol, so the blocks go to nowhere: all up to the
socket counts, and what the server would do doesn't; nor does the DELETE before the INSERT, reading the inputs back, or
Dagster's run. The frames are read with this platform's own queries, which is faster than the views as they are.
"""

import os
import re
from collections.abc import Iterable
from types import SimpleNamespace

import polars as pl
from clickhouse_driver import Client
from clickhouse_driver.block import RowOrientedBlock
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.connection import Connection
from clickhouse_driver.streams.native import BlockOutputStream
from clickhouse_driver.util.helpers import chunks
from dagster._core.storage.db_io_manager import TableSlice
from dagster_clickhouse_polars import ClickhousePolarsTypeHandler

from bench.measure import Job, Stopwatch, child, instants
from bionicpro_assets.sqlfiles import sql, with_instants

COLUMN = re.compile(r"`(\w+)` (Nullable\(\w+(?:\(\d\))?\)|\w+(?:\(\d\))?)(?:,|\) ENGINE)")


class Nowhere:
    """A socket that takes everything."""

    def sendall(self, data: bytes) -> None:
        """Takes it."""


class UpToTheSocket:
    """A connection of clickhouse-driver's whose server never answers: its blocks are encoded, and go nowhere."""

    def __init__(self) -> None:
        client = Client("localhost")
        self.connection: Connection = client.connection
        self.connection.server_info = SimpleNamespace(used_revision=54478, get_timezone=lambda: "UTC")
        self.connection.context.server_info = self.connection.server_info
        writer = BufferedSocketWriter(Nowhere(), 1 << 20)
        self.stream = BlockOutputStream(writer, self.connection.context)
        self.block_size = self.connection.context.client_settings["insert_block_size"]
        self.types: list[tuple[str, str]] = []

    def execute(self, statement: str, data: Iterable[dict] | None = None) -> None:
        """What the driver does with the rows of an INSERT; of a CREATE, the column types are noted."""
        if data is None:
            self.types = COLUMN.findall(statement)
            return
        for chunk in chunks(data, self.block_size):
            self.stream.write(RowOrientedBlock(self.types, chunk))


def work(job: Job) -> tuple[int, dict[str, float]]:
    """Two extracts, a join, three outputs."""
    timed, (since, until) = Stopwatch(), instants(job)
    connection, handler = UpToTheSocket(), ClickhousePolarsTypeHandler()

    def store(name: str, frame: pl.DataFrame) -> None:
        database, table = name.split(".")
        context = SimpleNamespace(has_partition_key=False)
        with timed(f"store {name}"):
            handler.handle_output(context, TableSlice(table=table, schema=database), frame, connection)
            if len(connection.types) != frame.width:
                raise RuntimeError(f"{len(connection.types)} of {frame.width} columns of {name} were understood")

    with timed("read"):
        customers = _read(sql("crm/queries/customer_prosthesis.sql"), job.crm_url)
        query = with_instants(sql("telemetry/queries/hourly_telemetry.sql"), since=since, until=until)
        telemetry = _read(query, job.telemetry_url)
    store("staging.crm_customer_prosthesis", customers)
    store("staging.hourly_telemetry", telemetry)
    with timed("join"):
        joined = telemetry.join(customers.drop_nulls("chip_id"), on="chip_id", how="inner").fill_null(0)
        joined = joined.drop("customer_id")
    store("reports.user_prosthesis_stats", joined)
    return joined.height, timed.steps


def _read(query: str, url: str) -> pl.DataFrame:
    return pl.read_database_uri(query, url, engine="adbc")


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    child(work)
