"""The ClickHouse side over HTTP: the same as in the embedded engine, and in order when the wire isn't."""

import base64
import contextlib
import http.client
import itertools
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.gateway import faults
from bionicpro_assets_tests.gateway.faults import FaultProxy
from bionicpro_assets_tests.gateway.fixtures import PASSWORD, RunningGateway, running_gateway
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.publishing import publish_frame

MART, TELEMETRY = "reports.user_prosthesis_stats", "staging.hourly_telemetry"
ROWS, JOURNAL = "INSERT INTO storage.user_prosthesis_stats", "INSERT INTO storage.publications"
SETTING = "BIONICPRO_CLICKHOUSE_URL"
NOW = datetime.now(UTC)
# Two hours on either side of the end of a month, and so of two partitions.
MIDNIGHT = floor_hour(NOW).replace(day=1, hour=0)
WINDOW = hour_range(MIDNIGHT - timedelta(hours=2), MIDNIGHT + timedelta(hours=1))

TRANSIENT = {
    "reset": faults.reset(),
    "lost answer": faults.lost_answer(),
    "cut answer": faults.cut_answer(),
    "503": faults.unavailable(),
    "out of memory": faults.error(241),
    "too many parts": faults.error(252),
}
REFUSALS = {
    516: f"Authentication failed.* Check the user and password in {SETTING}",
    497: f"Not enough privileges.* Grant it to the user of {SETTING}",
    243: "not enough space.* make room, then load again",
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The machine's own HTTP proxy, if it has one, isn't for 127.0.0.1."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def module_gateway(tmp_path_factory):
    with running_gateway(tmp_path_factory.mktemp("gateway") / "engine") as gateway:
        with ClickHouse(gateway.url()) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        yield gateway


@pytest.fixture
def gateway(module_gateway):
    """A gateway with this platform's schema, empty."""
    module_gateway.empty()
    return module_gateway


@pytest.fixture
def mart(gateway):
    """The mart as it is, past all faults."""
    with ClickHouse(gateway.url()) as clickhouse:
        yield clickhouse


@pytest.fixture
def proxy(gateway):
    with FaultProxy(gateway.port) as proxy:
        yield proxy


@pytest.fixture
def client(gateway, proxy):
    """ClickHouse behind the proxy, connected."""
    with ClickHouse(gateway.url(port=proxy.port)) as clickhouse:
        clickhouse.rows("SELECT 1")
        proxy.requests.clear()
        yield clickhouse


@pytest.fixture
def pauses(monkeypatch):
    """The pauses between attempts, in seconds; nobody waits for them."""
    made: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=made.append))
    return made


def filled(clickhouse, name: str, hours: list[datetime], value: int, chips: int = 2, read_at=NOW) -> HourlyFrame:
    """Hours of a table with a row per chip; movements_count is the value, everything else is something that fits."""
    rows = pl.DataFrame(
        [(hour, hour.date(), hour.hour, f"Ч{i}", value) for hour in hours for i in range(chips)],
        schema={
            "hour_start": pl.Datetime("us", "UTC"), "report_date": pl.Date(), "report_hour": pl.Int64(),
            "chip_id": pl.String(), "movements_count": pl.Int64(),
        },
        orient="row",
    )  # fmt: skip
    samples = {pl.String(): "x'\\\t", pl.Float32(): 1.25, pl.Float64(): 0.1, pl.Date(): date(2026, 1, 31)}
    columns = HourlyTable.of(clickhouse, name).columns
    given = [
        pl.lit(samples.get(c.dtype, NOW if isinstance(c.dtype, pl.Datetime) else 7), c.dtype).alias(c.name)
        for c in columns
        if c.name not in rows.columns
    ]
    return HourlyFrame(rows.with_columns(given).select(c.name for c in columns), dict.fromkeys(hours, read_at))


class Writer:
    """Publishes the window with a new value and a newer read each time."""

    def __init__(self, mart: ClickHouse) -> None:
        self.mart, self.value = mart, 0

    def put(self, clickhouse: ClickHouse, **options):
        self.value += 1
        read_at = NOW - timedelta(hours=1) + timedelta(seconds=self.value)
        frame = filled(self.mart, MART, WINDOW, self.value, chips=2 + self.value % 2, read_at=read_at)
        return publish_frame(clickhouse, MART, frame, run_id="test", batch_size=3, **options)

    def answer(self, value: int) -> list[int]:
        """Count and sum of what put() published with the value."""
        count = len(WINDOW) * (2 + value % 2)
        return [count, count * value]

    def state(self) -> str:
        """What the public view shows, in words; and it shows and journals nothing twice."""
        _, ((count, total),) = self.mart.rows(f"SELECT count(), sum(movements_count) FROM {MART}")
        _, ((commits, distinct),) = self.mart.rows(
            "SELECT count(), uniqExact(table_name, hour_start, publication, started_at) FROM storage.publications"
        )
        assert commits == distinct, "a commit is journalled twice"
        if [count, total] == self.answer(self.value):
            return "new"
        return "old" if [count, total] == self.answer(self.value - 1) else f"torn: {count} rows, {total} in all"


@pytest.fixture
def writer(mart):
    """A writer that has published once."""
    writer = Writer(mart)
    writer.put(mart)
    return writer


def failure(action, *arguments, **options) -> ClickHouseError:
    """The error that the action ends with: a single line with the place and without the password."""
    with pytest.raises(ClickHouseError) as caught:
        action(*arguments, **options)
    said = str(caught.value)
    assert said.startswith("ClickHouse (http")
    assert "127.0.0.1" in said.partition(")")[0]
    assert "\n" not in said
    assert "wörd" not in said
    assert "w%C3%B6rd" not in said
    return caught.value


# The same over HTTP as in the embedded engine.


def facts(clickhouse):
    """Everything a reader gets, and the journal but for its numbers and times."""
    views = [
        (name, [(c, str(t)) for c, t in zip(frame.columns, frame.dtypes, strict=True)], frame.rows())
        for name in (MART, TELEMETRY)
        for frame in [clickhouse.frame(f"SELECT * FROM {name} ORDER BY ALL")]
    ]
    # As numbers: a DateTime without a zone is shown in the engine's, which a process keeps once it has begun.
    stamps = ("etl_processed_at", "source_updated_at")
    numbers = ", ".join(f"toUnixTimestamp({c}) AS {c}" for c in stamps)
    values = clickhouse.rows(f"SELECT * REPLACE ({numbers}) FROM {MART} ORDER BY ALL")
    journal = clickhouse.rows(
        "SELECT table_name, toUnixTimestamp(hour_start), toUnixTimestamp64Micro(source_read_at), row_count, checksum, "
        "run_id FROM storage.publications ORDER BY ALL"
    )
    return views, (values[0], list(values[1])), (journal[0], list(journal[1]))


def test_the_same_rows_come_back_over_http_and_from_the_embedded_engine(any_time_zone, tmp_path):
    got = []
    with running_gateway(tmp_path / "served", zone=any_time_zone) as gateway:
        for url in (gateway.url(), f"chdb://{tmp_path}/embedded"):
            with ClickHouse(url) as clickhouse:
                apply_clickhouse_schema(clickhouse)
                for name, hours in ((MART, WINDOW), (TELEMETRY, WINDOW[1:3])):
                    frame = filled(clickhouse, name, hours, 5)
                    publish_frame(clickhouse, name, frame, run_id="test", batch_size=3)
                    loaded = HourlyTable.of(clickhouse, name).load(clickhouse, hours)
                    stamps = [c for c, t in frame.rows.schema.items() if isinstance(t, pl.Datetime)]
                    sent = (
                        frame.rows if name == TELEMETRY else frame.rows.with_columns(pl.col(stamps).dt.truncate("1s"))
                    )
                    assert loaded.rows.sort("hour_start", "chip_id").equals(sent.sort("hour_start", "chip_id"))
                    assert loaded.read_at == frame.read_at
                got.append(facts(clickhouse))
    assert got[0] == got[1]
    (_, _, from_view), _ = got[0][0]
    assert len(from_view) == 2 * len(WINDOW)


def test_the_checksum_in_the_journal_can_be_computed_over_http(mart):
    publish_frame(mart, TELEMETRY, filled(mart, TELEMETRY, WINDOW[:1], 5), run_id="test", batch_size=10)
    _, ((from_view,),) = mart.rows(f"SELECT {HourlyTable.of(mart, TELEMETRY).checksum} FROM {TELEMETRY}")
    _, ((in_journal,),) = mart.rows("SELECT checksum FROM storage.publications")
    assert from_view == in_journal


def test_a_month_of_hours_is_one_publication(mart):
    """The parameters of such a window are too long for a URL, and travel as a form."""
    hours = hour_range(MIDNIGHT - timedelta(hours=400), MIDNIGHT + timedelta(hours=344))
    publish_frame(mart, MART, filled(mart, MART, hours, 5), run_id="test", batch_size=100)
    assert HourlyTable.of(mart, MART).load(mart, hours).rows.height == 2 * len(hours)


@pytest.mark.filterwarnings("ignore")
def test_the_job_end_to_end(gateway, sources, mart, tmp_path, monkeypatch):
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", sources.crm.url)
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", sources.telemetry.url)
    monkeypatch.setenv(SETTING, gateway.url())
    monkeypatch.setenv("BIONICPRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    sources.add_wearer("C1", "anna")
    sources.add_wearer("C2", "boris", middle_name=None, branch=None)
    for hour, chip in itertools.product(WINDOW, ["C1", "C2", "UNKNOWN"]):
        sources.add_hour(chip, hour)
    with Platform.open(sources, mart) as platform:
        for _ in range(2):
            platform.load(WINDOW[0], WINDOW[-1])
            assert platform.mart() == sources.expected_mart(WINDOW[0], WINDOW[-1])
    assert len(platform.mart()) == 2 * len(WINDOW)


# What passes is tried again.


@pytest.mark.parametrize("name", ["reset", "lost answer", "cut answer", "503"])
def test_what_breaks_once_at_any_request_is_healed(gateway, writer, pauses, name):
    """Every request of a publication in turn, those of the connection included."""
    for number in itertools.count(1):
        with FaultProxy(gateway.port) as proxy:
            proxy.on("", TRANSIENT[name], first=number)
            with ClickHouse(gateway.url(port=proxy.port)) as clickhouse:
                began = time.monotonic()
                writer.put(clickhouse)
            assert writer.state() == "new", f"request {number}: {proxy.requests[number - 1]}"
            assert time.monotonic() - began < 60
            assert len(pauses) <= 1
            pauses.clear()
            if len(proxy.requests) < number:
                break
    assert number > 6


@pytest.mark.parametrize(
    ("name", "at", "said"),
    [
        ("reset", ROWS, f"can't be reached: .*(reset|closed).* Check {SETTING}"),
        ("lost answer", ROWS, f"can't be reached: .*(reset|closed).* Check {SETTING}"),
        ("503", ROWS, "503"),
        ("503", JOURNAL, "503"),
        ("out of memory", ROWS, "memory limit exceeded.* load again"),
        ("too many parts", JOURNAL, "Too many parts.* load again"),
    ],
)
def test_what_doesn_t_pass_is_tried_five_times_and_changes_nothing(writer, client, proxy, pauses, name, at, said):
    proxy.on(at, TRANSIENT[name], last=1000)
    assert_said(failure(writer.put, client), said, retryable=True)
    assert len(pauses) == 4
    assert 4 < sum(pauses) < 20, "pauses grow, and a minute is the most that all of it takes"
    assert writer.state() == "old"
    writer.value -= 1
    writer.put(writer.mart)
    assert writer.state() == "new", "a publication afterwards heals it"


def test_a_commit_whose_answer_never_arrives_shows_the_new_rows_once(writer, client, proxy, pauses):
    proxy.on(JOURNAL, faults.lost_answer(), last=1000)
    failure(writer.put, client)
    assert writer.state() == "new"


def test_a_big_insert_that_breaks_midway_leaves_nothing_to_see(mart, client, proxy, pauses):
    frame = filled(mart, MART, WINDOW, 1, chips=20_000)
    proxy.on(ROWS, faults.reset(after=1_000_000))
    publish_frame(client, MART, frame, run_id="test", batch_size=10_000)
    assert proxy.count(ROWS) == 2
    _, (seen,) = mart.rows(f"SELECT count(), sum(movements_count) FROM {MART}")
    assert seen == (len(frame.rows), len(frame.rows))
    assert len(pauses) == 1


def test_a_server_that_is_away_for_a_moment(writer, client, proxy):
    """In real time: the pauses are long enough for it to come back."""
    proxy.on(ROWS, faults.gone(0.4))
    began = time.monotonic()
    writer.put(client)
    assert 0.4 < time.monotonic() - began < 8
    assert writer.state() == "new"


def test_a_server_that_isn_t_there(gateway, writer, proxy, pauses):
    proxy.close_port()
    began = time.monotonic()
    with ClickHouse(gateway.url(port=proxy.port)) as clickhouse:
        error = failure(writer.put, clickhouse)
    assert_said(error, f"127.0.0.1:{proxy.port}\\) can't be reached: .*refused.* Check {SETTING}", retryable=True)
    assert time.monotonic() - began < 2
    assert len(pauses) == 4
    assert writer.state() == "old"


# What doesn't pass by itself is said at once.


@pytest.mark.parametrize("at", [ROWS, JOURNAL])
@pytest.mark.parametrize("code", REFUSALS)
def test_what_a_server_refuses_is_said_at_once(writer, client, proxy, pauses, code, at):
    proxy.on(at, faults.error(code), last=1000)
    began = time.monotonic()
    assert_said(failure(writer.put, client), REFUSALS[code], retryable=False)
    assert time.monotonic() - began < 1
    assert pauses == []
    assert proxy.count(at) == 1
    assert at in proxy.requests[-1], "nothing was asked afterwards"
    assert writer.state() == "old"


def test_a_refusal_of_any_request_is_the_end(writer, client, proxy, pauses):
    """Every request of a publication in turn: before the commit the mart stays as it was, after it, it is new."""
    for number in itertools.count(1):
        proxy.requests.clear()
        proxy.rules.clear()
        proxy.on("", faults.error(497), first=number, last=1000)
        with contextlib.suppress(ClickHouseError):
            writer.put(client)
        if len(proxy.requests) < number:
            break
        assert len(proxy.requests) == number
        assert writer.state() == ("new" if proxy.count(JOURNAL) and JOURNAL not in proxy.requests[-1] else "old")
        writer.value -= writer.state() == "old"
    assert pauses == []
    assert number > 4


def test_a_wrong_password_is_one_request(gateway, writer, proxy, pauses):
    began = time.monotonic()
    with ClickHouse(gateway.url(port=proxy.port, password="wrong-wörd")) as clickhouse:
        error = failure(writer.put, clickhouse)
    assert_said(error, f"Authentication failed.* Check the user and password in {SETTING}", retryable=False)
    assert time.monotonic() - began < 1
    assert len(proxy.requests) == 1
    assert writer.state() == "old"


def test_the_command_line_says_one_sentence(proxy, tmp_path, gateway):
    """And no traceback, neither its own nor one that a library logs."""
    proxy.close_port()
    env = {
        "BIONICPRO_CRM_DB_URL": "postgresql://u@127.0.0.1/crm_db",
        "BIONICPRO_TELEMETRY_DB_URL": "postgresql://u@127.0.0.1/telemetry_db",
        SETTING: gateway.url(port=proxy.port),
    }
    command = [sys.executable, "-c", "from bionicpro_assets.cli.main import app; app()", "query", "SELECT 1"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    (said,) = (done.stdout + done.stderr).splitlines()
    assert said.startswith(f"ClickHouse (http://127.0.0.1:{proxy.port}) can't be reached")
    assert "rd" not in said.partition(")")[0]


# Time limits: half a minute against the limit of five minutes that holds without an option, and the other way round.


def test_a_server_that_answers_within_the_limit_is_waited_for(gateway, writer, proxy, pauses):
    proxy.on(ROWS, faults.slow(0.6))
    with ClickHouse(gateway.url(port=proxy.port, send_receive_timeout=1)) as clickhouse:
        writer.put(clickhouse)
    assert pauses == []
    assert proxy.count(ROWS) == 1
    assert writer.state() == "new"


@pytest.mark.parametrize("at", [ROWS, JOURNAL])
def test_a_write_that_outlasts_the_limit_and_lands_late_doubles_nothing(gateway, writer, proxy, pauses, at):
    proxy.on(at, faults.slow(1.4))
    began = time.monotonic()
    with ClickHouse(gateway.url(port=proxy.port, send_receive_timeout=1)) as clickhouse:
        writer.put(clickhouse)
    assert 1 < time.monotonic() - began < 4
    assert len(pauses) == 1
    assert writer.state() == "new"
    proxy.settle()
    assert proxy.count(at) == 2
    assert writer.state() == "new", "the late write has landed by now"


def test_a_server_that_doesn_t_answer_in_time(gateway, proxy):
    proxy.on("SELECT 'slow'", faults.slow(1.3))
    with ClickHouse(gateway.url(port=proxy.port, send_receive_timeout=1)) as clickhouse:
        clickhouse.rows("SELECT 1")
        began = time.monotonic()
        error = failure(clickhouse.rows, "SELECT 'slow'")
    assert 1 <= time.monotonic() - began < 1.3
    assert_said(error, f"can't be reached: .*timed out.* Check {SETTING}", retryable=True)
    assert proxy.count("'slow'") == 1


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with openssl, which isn't installed")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=gateway"
    subprocess.run(
        [openssl, *request.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return files


@pytest.fixture
def tls_proxy(gateway, certificate):
    with FaultProxy(gateway.port, tls=certificate) as proxy:
        yield proxy


def test_an_unknown_certificate_is_refused_at_once(writer, tls_proxy, pauses):
    began = time.monotonic()
    with ClickHouse(RunningGateway(tls_proxy.port, "https").url()) as clickhouse:
        error = failure(writer.put, clickhouse)
    assert_said(error, f"certificate.*self-signed certificate.*{SETTING}.*ca_cert", retryable=False)
    assert time.monotonic() - began < 1
    assert pauses == []
    assert len(tls_proxy.connections) <= 2, "urllib3 tries a connection twice, whatever the reason"
    assert tls_proxy.requests == []


def test_a_certificate_file_that_isn_t_there_is_named(tls_proxy, tmp_path, pauses, writer):
    with ClickHouse(RunningGateway(tls_proxy.port, "https").url(ca_cert=tmp_path / "none.pem")) as clickhouse:
        error = failure(writer.put, clickhouse)
    assert_said(error, f"No such file or directory.*ca_cert.*{SETTING}", retryable=False)
    assert pauses == []


def test_a_certificate_that_the_url_names_is_trusted(certificate, tmp_path):
    with (
        running_gateway(tmp_path / "engine", "--tls", *map(str, certificate), scheme="https") as gateway,
        ClickHouse(gateway.url(ca_cert=certificate[0])) as clickhouse,
    ):
        apply_clickhouse_schema(clickhouse)
        writer = Writer(clickhouse)
        writer.put(clickhouse)
        assert writer.state() == "new"


def assert_said(error: ClickHouseError, pattern: str, *, retryable: bool) -> None:
    with pytest.raises(ClickHouseError, match=pattern):
        raise error
    assert error.retryable is retryable


# Readers and a writer at a time.


def poll(port: int, answers: list[list[int]], until: threading.Event) -> None:
    query = f"SELECT count(), sum(movements_count) FROM {MART}"
    headers = {"Authorization": f"Basic {base64.b64encode(f'etl:{PASSWORD}'.encode()).decode()}"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as server:
        while not until.is_set():
            server.request("POST", "/", query, headers)
            answers.append([int(value) for value in server.getresponse().read().split()])


def test_readers_see_published_states_only(gateway, writer):
    """Windows of hours over the end of a month, some fifty times, and looks at them as fast as they can be had."""
    written = threading.Event()
    seen: list[list[list[int]]] = [[], []]
    with ThreadPoolExecutor(len(seen)) as readers:
        done = [readers.submit(poll, gateway.port, answers, written) for answers in seen]
        try:
            while writer.value < 55:
                writer.put(writer.mart)
        finally:
            written.set()
    for reader in done:
        reader.result()
    published = [writer.answer(value) for value in range(writer.value + 1)]
    for answers in seen:
        assert [answer for answer in answers if answer not in published] == []
        order = [published.index(answer) for answer in answers]
        assert order == sorted(order), "what one reader sees never goes back"
    assert sum(map(len, seen)) > 500
