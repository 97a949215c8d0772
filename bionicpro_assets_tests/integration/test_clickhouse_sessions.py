"""Sessions on ClickHouse: the same mart whatever a user's profile says, or one sentence; and no wait without an end."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.load import clickhouse as module
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.gateway.fixtures import RunningGateway, running_gateway
from bionicpro_assets_tests.publishing import publish_frame

TABLE = "staging.hourly_telemetry"
NOW = datetime.now(UTC)
HOURS = hour_range(floor_hour(NOW) - timedelta(hours=3), floor_hour(NOW) - timedelta(hours=1))
SECRET = "s3cr3t"
CHIPS = 4

# What a profile may say, and what would come of it. The values of the first column are all that differs between cells.
PROFILES = {
    "aggregate_functions_null_for_empty=1": "a sum of nothing is null",
    "apply_deleted_mask=0": "deleted rows come back",
    "async_insert=1;wait_for_async_insert=0": "rows aren't there when they are counted",
    "compatibility=22.3": "all defaults are old ones",
    "count_distinct_implementation=uniq": "distinct values are estimated",
    "create_if_not_exists=1": "a table that is in the way is taken for ours",
    "data_type_default_nullable=1": "columns may be null",
    "date_time_overflow_behavior=saturate": "dates are bent",
    "date_time_output_format=unix_timestamp": "dates are numbers",
    "distinct_overflow_mode=break;max_rows_in_distinct=1000": "rows are left out",
    "extremes=1": "more rows than there are",
    "final=1": "rows are merged, or refused",
    "force_primary_key=1": "questions are refused",
    "format_csv_delimiter=;": "another format",
    "group_by_overflow_mode=any;max_rows_to_group_by=1000": "groups are left out",
    "group_by_use_nulls=1": "keys become null",
    "ignore_cold_parts_seconds=100000": "rows are left out",
    "input_format_arrow_allow_missing_columns=1": "columns are made up",
    "insert_deduplication_token=once": "later rows are dropped",
    "join_default_strictness=ANY": "rows of a join are left out",
    "join_use_nulls=1": "what a join doesn't find is null",
    "lightweight_deletes_sync=0": "a sweep isn't over when it is over",
    "limit=1": "rows are left out",
    "max_insert_block_size=1;min_insert_block_size_rows=0": "a commit becomes visible hour by hour",
    "output_format_arrow_low_cardinality_as_dictionary=1": "another type",
    "output_format_arrow_string_as_string=0": "another type",
    "prefer_column_name_to_alias=1": "a name means something else",
    "result_overflow_mode=break;max_result_rows=1000000": "rows are left out",
    "session_timezone=Asia/Kathmandu": "hours are elsewhere",
    "set_overflow_mode=break;max_rows_in_set=1000": "the mart is empty",
    "transform_null_in=1": "null is found",
    "union_default_mode=DISTINCT": "equal rows are one",
    "use_query_cache=1;query_cache_nondeterministic_function_handling=ignore;query_cache_system_table_handling=ignore": (
        "an old answer is given again"
    ),
}
# Limits that are passed, with the mode that would hide it: an error by its code, never a part.
LIMITS = {
    "set_overflow_mode=break;max_rows_in_set=1": 191,
    "group_by_overflow_mode=any;max_rows_to_group_by=1": 158,
    "result_overflow_mode=break;max_result_rows=1": 396,
    "read_overflow_mode=break;max_rows_to_read=1": 158,
    "sort_overflow_mode=break;max_rows_to_sort=1": 396,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("sessions") / "engine"
    with ClickHouse(f"chdb://{folder}") as clickhouse:
        apply_clickhouse_schema(clickhouse)
    with running_gateway(folder) as running:
        yield running


@pytest.fixture
def plain(gateway) -> Iterator[ClickHouse]:
    """As a user without a profile."""
    with ClickHouse(gateway.url()) as clickhouse:
        yield clickhouse


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def made_up(clickhouse: ClickHouse, value: int) -> HourlyFrame:
    """Every hour with the same few chips; movements_count is the value."""
    rows = [{"hour_start": hour, "chip_id": f"Ч{i}", "movements_count": value} for hour in HOURS for i in range(CHIPS)]
    columns = HourlyTable.of(clickhouse, TABLE).columns
    samples = {pl.String(): "x", pl.Float64(): 0.1, pl.Float32(): 0.5}
    frame = pl.DataFrame(rows, schema_overrides={"hour_start": pl.Datetime("us", "UTC")}).with_columns(
        pl.lit(samples.get(c.dtype, NOW if isinstance(c.dtype, pl.Datetime) else HOURS[0].date() if c.dtype == pl.Date else 7), c.dtype).alias(c.name)
        for c in columns
        if c.name not in rows[0]
    )  # fmt: skip
    read_at = datetime.now(UTC)
    return HourlyFrame(frame.select(c.name for c in columns), dict.fromkeys(HOURS, read_at))


def totals(clickhouse: ClickHouse) -> list[tuple[int, int, int, int]]:
    """Of every hour: when it began, rows, distinct chips, movements."""
    _, found = clickhouse.rows(
        f"SELECT toUnixTimestamp(hour_start), count(), count(DISTINCT chip_id), sum(movements_count) FROM {TABLE} "
        "GROUP BY hour_start ORDER BY hour_start"
    )
    return [tuple(row) for row in found]


def refusal(url: str, *, only_reads: bool = False) -> ClickHouseError:
    """What is said in place of an answer."""
    with ClickHouse(url, only_reads=only_reads) as clickhouse, pytest.raises(ClickHouseError) as caught:
        clickhouse.rows("SELECT 1")
    return caught.value


@pytest.mark.parametrize("profile", PROFILES)
def test_the_mart_is_the_same_whatever_the_profile_of_the_user_says(gateway, plain, profile):
    before = plain.rows("SELECT count() FROM storage.hourly_telemetry")[1][0][0]
    with ClickHouse(gateway.url(profile=profile)) as clickhouse:
        for value in (1, 2):
            publish_frame(clickhouse, TABLE, made_up(clickhouse, value), batch_size=3)
            expected = [(int(h.timestamp()), CHIPS, CHIPS, CHIPS * value) for h in HOURS]
            assert totals(clickhouse) == expected
        loaded = HourlyTable.of(clickhouse, TABLE).load(clickhouse, HOURS).rows
        assert loaded["movements_count"].sum() == 2 * CHIPS * len(HOURS)
        assert sorted(loaded["chip_id"].unique()) == [f"Ч{i}" for i in range(CHIPS)]
        written = clickhouse.text("SELECT toDateTime(0, 'UTC') AS at, 0.5 AS half", "CSV")
        assert written == b'"1970-01-01 00:00:00",0.5\n'
        replaced = sweep(clickhouse, TABLE, replaced_grace=timedelta(0)).rows["replaced"]
        assert replaced == before + CHIPS * len(HOURS), "all but the last publication"
        assert totals(clickhouse) == expected
    assert totals(plain) == expected
    newest = "publication = (SELECT max(publication) FROM storage.publications)"
    _, parts = plain.rows(f"SELECT uniqExact(_part) FROM storage.publications WHERE {newest}")
    assert parts == [(1,)], "a commit is one part"
    with ClickHouse(gateway.url(profile=profile), only_reads=True) as reader:
        assert totals(reader) == expected


@pytest.mark.parametrize("profile", LIMITS)
def test_past_a_limit_there_is_an_error_and_never_a_part(gateway, plain, profile):
    publish_frame(plain, TABLE, made_up(plain, 5))
    with ClickHouse(gateway.url(profile=profile)) as clickhouse, pytest.raises(ClickHouseError) as caught:
        clickhouse.rows(
            f"SELECT chip_id FROM {TABLE} WHERE chip_id IN (SELECT chip_id FROM {TABLE}) GROUP BY 1 ORDER BY 1"
        )
    assert f"code: {LIMITS[profile]}," in str(caught.value)


@pytest.mark.parametrize("setting", ["final=1", "set_overflow_mode=break", "join_use_nulls=1"])
def test_a_profile_that_nothing_can_be_set_in_is_named_where_it_would_change_what_is_read(gateway, setting):
    said = str(refusal(gateway.url(profile=f"{setting};readonly=1"), only_reads=True))
    name, _, value = setting.partition("=")
    assert f"fixes settings that change what is read: {name} = {value} (it must be " in said
    with ClickHouse(gateway.url(profile="readonly=1"), only_reads=True) as reader:
        assert reader.rows("SELECT 1")[1] == [(1,)]


def test_a_user_who_may_only_read_reads_and_learns_why_it_can_t_write(gateway):
    with ClickHouse(gateway.url(profile="readonly=1")) as clickhouse:
        assert clickhouse.rows("SELECT 1")[1] == [(1,)]
        with pytest.raises(ClickHouseError, match="set readonly to 0 in its profile") as caught:
            publish_frame(clickhouse, TABLE, made_up(clickhouse, 9))
    assert not caught.value.retryable


@pytest.mark.parametrize("profile", ["offset=1", "additional_result_filter=0"])
def test_a_profile_that_hides_the_server_s_own_answers_is_said(gateway, profile):
    assert "sets no limit, offset or filter of results" in str(refusal(gateway.url(profile=profile)))


def test_a_profile_with_which_the_driver_can_t_begin_is_said(gateway):
    assert "Take use_query_cache out of the profile" in str(refusal(gateway.url(profile="use_query_cache=1")))


# ---- servers that are none


@contextmanager
def odd_server(answer: bytes | None) -> Iterator[int]:
    """Takes every connection and request; answers all in these bytes and hangs up, or says nothing at all."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    kept.append(client)
                    if answer is not None:
                        client.recv(65536)
                        client.sendall(answer)
                        client.shutdown(socket.SHUT_WR)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for client in kept:
            client.close()


def http(body: bytes, length: int | None = None, extra: bytes = b"") -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: %d\r\n\r\n" % size + body


ODD = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a web page": http(b"<html><body>Welcome</body></html>"),
    "a page of a proxy": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n",
    "half a body": http(b"\x02\x03\x09version()", 4000),
    "no answer to a question": http(b""),
    "a wrong encoding": http(b"26.9\tUTC\n", extra=b"Content-Encoding: zstd\r\n"),
    "a PostgreSQL error": b"E\0\0\0\x10SFATAL\0C08P01\0\0",
}


@pytest.mark.parametrize("only_reads", [False, True])
@pytest.mark.parametrize("answer", ODD)
def test_what_isn_t_an_answer_of_clickhouse_s_ends_in_a_sentence(answer, only_reads):
    with odd_server(ODD[answer]) as port:
        said = str(refusal(f"http://etl:{SECRET}@127.0.0.1:{port}/reports", only_reads=only_reads))
    assert said.startswith(f"ClickHouse (http://127.0.0.1:{port}) ")
    assert SECRET not in said
    assert "\n" not in said
    assert "BIONICPRO_CLICKHOUSE_URL" in said


def test_a_server_that_stays_silent_is_left_with_a_sentence(monkeypatch):
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1.0)
    with odd_server(None) as port:
        began = time.monotonic()
        error = refusal(f"http://etl:{SECRET}@127.0.0.1:{port}/reports")
        assert time.monotonic() - began < 20
    assert "hasn't answered for 1 s" in str(error)
    assert error.retryable
    assert SECRET not in str(error)
