"""How the source tables are: how many rows, when they last changed, which columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.sqlfiles import sql


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table to observe.

    Attributes:
        relation: Its name, `schema.table`.
        query: File of the query on the table: row_count and updated_at.
        view: The view to ask where the table may not be read.
        view_query: File of the query on the view.
    """

    relation: str
    query: str
    view: str
    view_query: str


@dataclass(frozen=True, slots=True)
class Observation:
    """How a table was at one instant.

    Attributes:
        seen_in: What was read: the table, or the view that stands for it.
        observed_at: When, by the database's clock.
        updated_at: When it last changed, of the stamps that can be; None if nobody can say.
        rows: Rows, counted; None where counting would cost too much.
        estimated_rows: Rows as PostgreSQL estimates them; None if it doesn't.
        columns: Name and PostgreSQL type; empty where the table may not be read.
    """

    seen_in: str
    observed_at: datetime
    updated_at: datetime | None
    rows: int | None
    estimated_rows: int | None
    columns: Mapping[str, str]

    @property
    def version(self) -> str:
        """A text that is another one after a change."""
        changed = self.updated_at.isoformat() if self.updated_at else "never"
        return changed if self.rows is None else f"{self.rows} rows, {changed}"


CUSTOMERS = SourceTable(
    "crm.customers",
    "crm/queries/observe_customers.sql",
    "crm.v_customer_prosthesis",
    "crm/queries/observe_customers_in_view.sql",
)
PROSTHESES = SourceTable(
    "crm.prostheses",
    "crm/queries/observe_prostheses.sql",
    "crm.v_customer_prosthesis",
    "crm/queries/observe_prostheses_in_view.sql",
)
RAW_TELEMETRY = SourceTable(
    "telemetry.raw_telemetry",
    "telemetry/queries/observe_raw_telemetry.sql",
    "telemetry.v_hourly_telemetry",
    "telemetry/queries/observe_hourly_stats.sql",
)
HOURLY_STATS = SourceTable(
    "telemetry.hourly_stats",
    "telemetry/queries/observe_hourly_stats.sql",
    "telemetry.v_hourly_telemetry",
    "telemetry/queries/observe_hourly_stats.sql",
)


def observe(source: PostgresSource, tables: Sequence[SourceTable]) -> dict[str, Observation]:
    """Observe tables of one database, in one snapshot. Who may read only the views gets what these can tell.

    Raises:
        SourceError: The database can't be read, or has neither the table nor the view.
    """
    with source.snapshot() as snapshot:
        return {table.relation: _observe(snapshot, table) for table in tables}


def _observe(snapshot: Snapshot, table: SourceTable) -> Observation:
    catalog = snapshot.read(sql("postgres/relation.sql").replace(":relation", table.relation))
    readable, estimate = catalog.row(0) if catalog.height else (False, -1)
    found = snapshot.read(sql(table.query if readable else table.view_query))
    rows, updated_at = found.row(0) if found.height else (None, None)
    return Observation(
        seen_in=table.relation if readable else table.view,
        observed_at=snapshot.read_at,
        updated_at=updated_at,
        rows=rows,
        estimated_rows=estimate if estimate >= 0 else None,
        columns=snapshot.column_types(table.relation) if readable else {},
    )
