"""A writer that loads a window as the assets do, and dies where it is told to."""

import os
import signal
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets_tests.publishing import publish_window

CRM, TELEMETRY, MART = "staging.crm_customer_prosthesis", "staging.hourly_telemetry", "reports.user_prosthesis_stats"
REJECTED = "quarantine.rejected_telemetry"
# Before and after every INSERT and every read of rows, in the publications of all four tables: more than a load has.
STEPS = 120
# A window of several hours is several parts.
PART_ROWS = 100


class Mortal(ClickHouse):
    """A ClickHouse whose process ends, by SIGKILL, at the n-th step boundary."""

    def __init__(self, url: str, dies_at: int | None) -> None:
        super().__init__(url)
        self.dies_at, self.step = dies_at, 0

    def boundary(self) -> None:
        if self.step == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.step += 1

    def insert_arrow_stream(self, table: str, columns: Sequence[str], blocks: Generator[bytes, None, None]) -> None:
        self.boundary()
        super().insert_arrow_stream(table, columns, blocks)
        self.boundary()

    def rows(
        self, query: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> tuple[list[str], Sequence[Sequence[Any]]]:
        if " AS row_count" in query:
            self.boundary()
        return super().rows(query, parameters, settings)

    def frame(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        self.boundary()
        found = super().frame(query, parameters)
        self.boundary()
        return found


def load_window(
    crm: PostgresSource,
    telemetry: PostgresSource,
    url: str,
    hours: Sequence[datetime],
    run_id: str,
    dies_at: int | None,
) -> None:
    """Both extracts, the mart and the quarantine, published; what the job does, without Dagster."""
    with Mortal(url, dies_at) as clickhouse:
        publish_window(crm, telemetry, clickhouse, hours, chunk_rows=PART_ROWS, run_id=run_id, batch_size=50)


def sweep_all(url: str, grace: timedelta) -> None:
    """Sweep all four tables, while others may write and read."""
    with ClickHouse(url) as clickhouse:
        for name in (CRM, TELEMETRY, REJECTED, MART):
            sweep(clickhouse, name, replaced_grace=grace, uncommitted_grace=timedelta(minutes=5))
