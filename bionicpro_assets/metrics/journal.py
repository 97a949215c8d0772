"""What ClickHouse's journal says of the tables."""

from collections.abc import Iterator

from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.metrics.families import Sample
from bionicpro_assets.sqlfiles import sql


def journal_metrics(clickhouse: ClickHouse) -> Iterator[Sample]:
    """Of every table that was ever published, its hours, rows and instants; of the quarantine, rows by reason.

    Raises:
        ClickHouseError: ClickHouse can't be reached or refuses.
    """
    _, tables = clickhouse.rows(sql("clickhouse/queries/metrics_tables.sql"))
    for table, hours, rows, newest_hour, newest_read in tables:
        yield Sample("bionicpro_table_publications", (table,), hours)
        yield Sample("bionicpro_table_rows", (table,), rows)
        yield Sample("bionicpro_table_source_read_timestamp_seconds", (table,), newest_read)
        if rows:
            yield Sample("bionicpro_table_newest_hour_timestamp_seconds", (table,), newest_hour)
    _, reasons = clickhouse.rows(sql("clickhouse/queries/metrics_quarantine.sql"))
    for reason, count in reasons:
        yield Sample("bionicpro_quarantine_rows", (reason,), count)
