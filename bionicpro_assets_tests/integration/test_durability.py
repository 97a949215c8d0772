"""The statements that docs/limits.md gives an operator who wants every publication on the disk."""

import re
from pathlib import Path

import bionicpro_assets
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.integration.test_publish import A, put, visible

LIMITS = Path(bionicpro_assets.__file__).parents[1] / "docs" / "limits.md"
SETTINGS = """SELECT name FROM system.tables WHERE database = 'storage' AND engine = 'MergeTree'
AND create_table_query LIKE '%fsync_after_insert = 1%' AND create_table_query LIKE '%fsync_part_directory = 1%'"""


def test_every_storage_table_can_be_made_to_wait_for_the_disk(clickhouse):
    statements = re.findall(r"^ *(ALTER TABLE storage\.\w+ MODIFY SETTING [^;]+);", LIMITS.read_text(), re.MULTILINE)
    put(clickhouse, {A: [1]})
    for statement in statements:
        clickhouse.command(statement)
    apply_clickhouse_schema(clickhouse)
    _, tables = clickhouse.rows("SELECT name FROM system.tables WHERE database = 'storage' AND engine = 'MergeTree'")
    _, durable = clickhouse.rows(SETTINGS)
    assert sorted(durable) == sorted(tables)
    assert len(statements) == len(tables)
    put(clickhouse, {A: [2]})
    assert visible(clickhouse) == {A: [2]}
