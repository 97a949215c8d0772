"""Reading the roll-up from its table: where that is done, and that it gives the view's rows to the last bit."""

import math
import random
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bionicpro_assets.extract.telemetry import extract_hourly_telemetry, hourly_query
from bionicpro_assets.hours import HOUR
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests import rounding
from bionicpro_assets_tests.integration.sources import Sources, as_user, execute, reader_of

VIEW, TABLE = "telemetry.v_hourly_telemetry", "telemetry.hourly_stats"
VIEW_QUERY = sql("telemetry/queries/hourly_telemetry.sql")
INTEGERS = st.integers(-rounding.LARGEST - 1, rounding.LARGEST) | st.none()
REALS = st.floats(-rounding.LARGEST_REAL, rounding.LARGEST_REAL) | st.sampled_from(rounding.EDGES)
# On a half of a hundredth, and a few steps beside it.
HALVES = st.builds(
    lambda k, steps: (k + 0.5) / 100 * (1 + steps * 2**-52), st.integers(-(10**14), 10**14), st.integers(-4, 4)
)


@pytest.fixture(params=["sources", "deployed"])
def either(request) -> Sources:
    """A database with this platform's view, and one as it stands in the field; every number may be missing."""
    made: Sources = request.getfixturevalue(request.param)
    for column in ("movements_count", "successful_movements", "updated_at"):
        made.in_telemetry(f"ALTER TABLE {TABLE} ALTER {column} DROP NOT NULL")
    return made


def reads_table(source) -> bool:
    with source.snapshot() as snapshot:
        query = hourly_query(snapshot)
    assert query in (rounding.TABLE_QUERY, VIEW_QUERY)
    return query == rounding.TABLE_QUERY


@contextmanager
def reader(sources: Sources, *grants: str):
    """The telemetry database as somebody who may read the view, and what is granted to `{}` besides."""
    with reader_of(sources.admin, {sources.telemetry: VIEW}) as name:
        for grant in grants:
            sources.in_telemetry(grant.format(name))
        yield as_user(sources.telemetry, name)


def compared(source, values, counts) -> int:
    stored = rounding.store(source.url, values, counts)
    rows, differing = rounding.differences(source.url)
    assert differing == []
    assert rows == stored
    return rows


def test_both_ways_give_the_same_bits_of_values_chosen_to_part_them(either):
    chance = random.Random(7)
    assert reads_table(either.telemetry)
    values, counts = rounding.reals(chance, 250_000), list(rounding.rates(chance, 2_000))
    assert compared(either.telemetry, values, counts) > 80_000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    values=st.lists(REALS | HALVES, min_size=6, max_size=300),
    counts=st.lists(st.tuples(INTEGERS, INTEGERS), min_size=1, max_size=50),
)
def test_both_ways_give_the_same_bits_of_any_values(either, values, counts):
    compared(either.telemetry, values, counts)


@pytest.mark.parametrize("digits", [-15, 0, 3])
def test_the_digits_that_are_printed_of_a_float_do_not_matter(either, digits):
    chance = random.Random(digits)
    rounding.store(either.telemetry.url, rounding.reals(chance, 3_000), [(3, 1)])
    rows, differing = rounding.differences(either.telemetry.url, f"SET extra_float_digits = {digits};")
    assert (rows >= 500, differing) == (True, [])


def test_the_comparison_sees_a_rounding_that_is_wrong(sources, monkeypatch):
    for right, wrong in (("0.499999", "0.5"), (">= 1e6", ">= 1e9"), (" + 0.0", ""), ("+ movements_count) /", ") /")):
        assert right in rounding.TABLE_QUERY
        with monkeypatch.context() as patch:
            patch.setattr(rounding, "TABLE_QUERY", rounding.TABLE_QUERY.replace(right, wrong))
            rounding.store(sources.telemetry.url, rounding.reals(random.Random(3), 30_000), [(3, 2), (7, 5)])
            assert rounding.differences(sources.telemetry.url)[1] != [], wrong


def test_what_is_no_float8_after_the_cast_to_numeric_is_infinite_both_ways(sources):
    """So that its row is set aside, and stops no other."""
    largest = 1.7976931348623157e308
    rounding.store(sources.telemetry.url, [largest, -largest], [(1, 1)])
    assert rounding.differences(sources.telemetry.url)[1] == []
    found = extract_hourly_telemetry(sources.telemetry, [rounding.AT]).rows["avg_battery_level"].to_list()
    assert set(found) <= {math.inf, -math.inf}
    assert found


def test_the_extract_is_the_same_for_who_may_read_the_table_and_who_may_not(either):
    for number in range(40):
        either.add_hour(
            f"C{number}", rounding.AT + number % 3 * HOUR, avg_battery_level=number / 8, movements_count=number
        )
    either.add_hour("C40", rounding.AT, avg_actuator_temp=None, movements_count=None, min_response_time=None)
    either.in_telemetry(f"UPDATE {TABLE} SET updated_at = NULL WHERE chip_id = 'C7'")
    hours = [rounding.AT + n * HOUR for n in range(3)]
    with reader(either) as of_view, reader(either, f"GRANT SELECT ON {TABLE} TO {{}}") as of_table:
        assert (reads_table(of_view), reads_table(of_table)) == (False, True)
        frames = [extract_hourly_telemetry(source, hours).rows for source in (of_view, of_table)]
    view, table = (frame.sort("hour_start", "chip_id") for frame in frames)
    assert view.height == 41
    assert view.equals(table)
    assert view.schema == table.schema


def test_only_who_may_read_every_column_reads_the_table(sources):
    read = [name for name in catalog_columns(sources) if name not in ("id", "created_at")]
    with reader(sources, f"GRANT SELECT ({', '.join(read)}) ON {TABLE} TO {{}}") as enough:
        assert reads_table(enough)
    with reader(sources, f"GRANT SELECT ({', '.join(read[:-1])}) ON {TABLE} TO {{}}") as too_few:
        assert not reads_table(too_few)


def catalog_columns(sources: Sources) -> list[str]:
    return [name for (name,) in sources.in_telemetry(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{TABLE}'::regclass AND attnum > 0 ORDER BY attnum"
    )]  # fmt: skip


def changed_view(sources: Sources, *changes: tuple[str, str], before: str = "", options: str = "") -> None:
    """The view made anew, with pieces of its text replaced."""
    ((text,),) = sources.in_telemetry(f"SELECT pg_get_viewdef('{VIEW}'::regclass)")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    sources.in_telemetry(f"{before}; DROP VIEW {VIEW}; CREATE VIEW {VIEW} {options} AS {text}")


STILL_KNOWN = {
    "an alias": [("FROM telemetry.hourly_stats", "FROM telemetry.hourly_stats AS h")],
    "the columns in another order": [("SELECT chip_id,", "SELECT id, created_at,"), ("    updated_at\n", "updated_at, chip_id\n")],
    "the percentage the other way round": [("100.0 * (successful_movements)::numeric", "successful_movements * 100.0")],
    "no report_date": [("(hour_start)::date AS report_date,", "")],
}  # fmt: skip


@pytest.mark.parametrize("changes", STILL_KNOWN.values(), ids=STILL_KNOWN)
def test_a_view_that_says_the_same_in_other_words_is_known(sources, changes):
    changed_view(sources, *changes)
    assert reads_table(sources.telemetry)
    counts = [
        (m, s) for m in (0, 1, 3, 7, 160, 19_999, 20_000, rounding.LARGEST) for s in (-1, 0, 1, 2, 9, rounding.LARGEST)
    ]
    compared(sources.telemetry, rounding.reals(random.Random(1), 1_000), counts)


ANOTHER_VIEW = {
    "some of the rows": [("hourly_stats;", "hourly_stats WHERE movements_count > 0;")],
    "each row once": [("SELECT chip_id", "SELECT DISTINCT chip_id")],
    "a row several times": [("updated_at\n", "updated_at, generate_series(1, 2) AS part\n")],
    "a limit": [("hourly_stats;", "hourly_stats LIMIT 5;")],
    "a sample": [("hourly_stats;", "hourly_stats TABLESAMPLE SYSTEM (50);")],
    "not the children": [("FROM telemetry", "FROM ONLY telemetry")],
    "two tables": [("hourly_stats;", "hourly_stats UNION ALL SELECT * FROM (TABLE telemetry.more) AS more;")],
    "a join": [("hourly_stats;", "hourly_stats CROSS JOIN (VALUES (1), (2)) AS twice (n);")],
    "an average that isn't rounded": [("round((avg_battery_level)::numeric, 2)", "avg_battery_level")],
    "an average with one decimal": [("round((avg_battery_level)::numeric, 2)", "round((avg_battery_level)::numeric, 1)")],
    "an average that is another one": [("round((avg_battery_level)::numeric, 2)", "round((avg_actuator_temp)::numeric, 2)")],
    "a column that is another one": [("    error_count", "    warning_count AS error_count"), ("    warning_count,", "    error_count AS warning_count,")],
    "a missing number as 0": [("    error_count", "    COALESCE(error_count, 0) AS error_count")],
    "the other percentage": [("movements_count > 0", "successful_movements > 0")],
    "a percentage in floats": [("(movements_count)::numeric", "(movements_count)::float8"), ("100.0 * (successful_movements)::numeric", "100.0::float8 * successful_movements"), ("::float8), 2)", "::float8)::numeric, 2)")],
    "a round of somebody's own": [("round((avg_battery", "telemetry.round((avg_battery")],
    "another table of that name": [("FROM telemetry.hourly_stats", "FROM other.hourly_stats")],
}  # fmt: skip
BEFORE = {
    "two tables": f"CREATE TABLE telemetry.more AS TABLE {VIEW} LIMIT 0",
    "a round of somebody's own": "CREATE FUNCTION telemetry.round(numeric, integer) RETURNS numeric LANGUAGE sql IMMUTABLE "
    "AS 'SELECT trunc($1, $2)'",
    "another table of that name": f"CREATE SCHEMA other; CREATE TABLE other.hourly_stats (LIKE {TABLE})",
}


@pytest.mark.parametrize("name", ANOTHER_VIEW)
@pytest.mark.parametrize("path", ["", "telemetry, other, pg_catalog, public"])
def test_a_view_that_may_say_something_else_is_read_itself(sources, name, path):
    """Whatever the search path is, by which PostgreSQL decides which schemas it prints."""
    changed_view(sources, *ANOTHER_VIEW[name], before=BEFORE.get(name, "SELECT 1"))
    if path:
        database = sources.telemetry.url.partition("?")[0].rpartition("/")[2]
        execute(sources.admin, f"ALTER DATABASE {database} SET search_path = {path}", autocommit=True)
    assert not reads_table(sources.telemetry)


def test_the_search_path_does_not_keep_the_view_from_being_known(either):
    database = either.telemetry.url.partition("?")[0].rpartition("/")[2]
    execute(either.admin, f"ALTER DATABASE {database} SET search_path = telemetry", autocommit=True)
    assert reads_table(either.telemetry)


ANOTHER_TABLE = {
    "an average of single precision": "ALTER TABLE {t} ALTER avg_battery_level TYPE real",
    "an average that is numeric": "ALTER TABLE {t} ALTER avg_battery_level TYPE numeric",
    "an average of a type of its own": "CREATE DOMAIN share AS float8; ALTER TABLE {t} ALTER avg_battery_level TYPE share",
    "counts of 64 bits": "ALTER TABLE {t} ALTER movements_count TYPE bigint",
    "row-level security": "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
}


@pytest.mark.parametrize("name", ANOTHER_TABLE)
def test_a_table_that_the_proof_does_not_hold_for_is_read_by_its_view(sources, name):
    ((text,),) = sources.in_telemetry(f"SELECT pg_get_viewdef('{VIEW}'::regclass)")
    sources.in_telemetry(f"DROP VIEW {VIEW}; {ANOTHER_TABLE[name].format(t=TABLE)}; CREATE VIEW {VIEW} AS {text}")
    assert not reads_table(sources.telemetry)


def test_a_view_in_place_of_the_table_is_no_table(sources):
    ((text,),) = sources.in_telemetry(f"SELECT pg_get_viewdef('{VIEW}'::regclass)")
    sources.in_telemetry(
        f"DROP VIEW {VIEW}; ALTER TABLE {TABLE} RENAME TO stored; "
        f"CREATE VIEW {TABLE} AS SELECT * FROM telemetry.stored WHERE movements_count > 0; CREATE VIEW {VIEW} AS {text}"
    )
    assert not reads_table(sources.telemetry)


@pytest.mark.parametrize("options", ["WITH (security_barrier)", "WITH (security_invoker)"])
def test_options_that_change_no_row_do_not_matter(sources, options):
    sources.add_hour("C1", rounding.AT)
    changed_view(sources, options=options)
    with reader(sources, f"GRANT SELECT ON {TABLE} TO {{}}") as source:
        assert reads_table(source)
        assert extract_hourly_telemetry(source, [rounding.AT]).rows.height == 1


@pytest.mark.parametrize("kind", ["inherits", "partitions"])
def test_rows_of_children_are_in_both(sources, kind):
    ((text,),) = sources.in_telemetry(f"SELECT pg_get_viewdef('{VIEW}'::regclass)")
    if kind == "inherits":
        sources.in_telemetry(f"CREATE TABLE telemetry.child () INHERITS ({TABLE})")
    else:
        sources.in_telemetry(
            f"DROP VIEW {VIEW}; CREATE TABLE telemetry.parted (LIKE {TABLE} INCLUDING DEFAULTS) PARTITION BY RANGE (hour_start); "
            f"CREATE TABLE telemetry.child PARTITION OF telemetry.parted DEFAULT; DROP TABLE {TABLE} CASCADE; "
            f"ALTER TABLE telemetry.parted RENAME TO hourly_stats; CREATE VIEW {VIEW} AS {text}"
        )
    sources.in_telemetry("INSERT INTO telemetry.child (id, chip_id, hour_start) VALUES (1, 'C1', %s)", (rounding.AT,))
    assert reads_table(sources.telemetry)
    assert extract_hourly_telemetry(sources.telemetry, [rounding.AT]).rows["chip_id"].to_list() == ["C1"]
    assert rounding.differences(sources.telemetry.url) == (1, [])
