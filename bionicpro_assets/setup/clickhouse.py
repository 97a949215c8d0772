"""ClickHouse's databases, tables and views."""

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.cluster import check_cluster
from bionicpro_assets.setup.cluster import for_cluster
from bionicpro_assets.sqlfiles import scripts, sql


def apply_clickhouse_schema(clickhouse: ClickHouse) -> list[str]:
    """Apply `sql/clickhouse/schema/`, one statement a file, in order; safe to repeat. Returns the files applied.

    Raises:
        ClickHouseError: A table that isn't ours stands under the name of one of the views; it is left alone.
    """
    _, taken = clickhouse.rows(sql("clickhouse/queries/existing_tables.sql"))
    if taken:
        name, engine = taken[0]
        raise ClickHouseError(
            f"{clickhouse.place}: {name} is already there, as a table ({engine}), and is left alone. "
            f"To go on, rename it, like: RENAME TABLE {name} TO {name}_before"
        )
    if clickhouse.cluster:
        check_cluster(clickhouse)
    applied = []
    for name, statement in scripts("clickhouse/schema"):
        for rendered in for_cluster(statement, clickhouse.cluster):
            clickhouse.command(rendered)
        applied.append(name)
    return applied
