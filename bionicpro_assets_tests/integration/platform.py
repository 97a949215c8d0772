"""The platform as a test drives it: the real job, on the test's databases."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.hours import hour_range
from bionicpro_assets.instance import RunOutcome, run_job
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.runs import RANGE_END_TAG, RANGE_START_TAG
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.sources import COMPARED, Sources


def mart_rows(clickhouse: ClickHouse, where: str = "1") -> list[tuple[Any, ...]]:
    """COMPARED of the public view, sorted; instants with their zone."""
    columns = ", ".join(f"toUnixTimestamp({c})" if c == "source_updated_at" else c for c in COMPARED)
    _, rows = clickhouse.rows(f"SELECT {columns} FROM reports.user_prosthesis_stats WHERE {where}")
    return sorted((*row[:-1], datetime.fromtimestamp(row[-1], UTC)) for row in rows)


@dataclass(frozen=True)
class Platform:
    sources: Sources
    clickhouse: ClickHouse
    instance: dg.DagsterInstance

    @classmethod
    @contextmanager
    def open(cls, sources: Sources, clickhouse: ClickHouse) -> Iterator["Platform"]:
        with dg.DagsterInstance.ephemeral() as instance:
            yield cls(sources, clickhouse, instance)

    def run(self, first: datetime, last: datetime) -> RunOutcome:
        """The job over the hours first … last."""
        settings = Settings.load()
        return run_job(settings, self.instance, hour_range(first, last), str(uuid.uuid4()))

    def load(self, first: datetime, last: datetime) -> str:
        """The job over the hours first … last, which must go well; the run's number."""
        outcome = self.run(first, last)
        assert not outcome.failures, outcome.failures
        return outcome.run_id

    def mart(self, where: str = "1") -> list[tuple[Any, ...]]:
        return mart_rows(self.clickhouse, where)

    def materialise(
        self, selection: Sequence[str], first: str | None = None, last: str | None = None
    ) -> dg.ExecuteInProcessResult:
        """Assets by themselves, as the UI does it."""
        job = build_definitions(Settings.load()).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey.from_user_string(key) for key in selection],
            tags={RANGE_START_TAG: first, RANGE_END_TAG: last} if first and last else {},
            raise_on_error=False,
        )
