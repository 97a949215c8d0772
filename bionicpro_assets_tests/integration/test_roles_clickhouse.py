"""Who may do what in ClickHouse, each cell tried on the real engine.

The embedded engine keeps no users of its own, but it takes them from a file and enforces their grants. So the text of
`sql/clickhouse/roles/` is given to the engine's one user, identity by identity. What this can't show: that a server
takes CREATE ROLE and CREATE USER; their grammar is checked.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from bionicpro_assets.cli.init import run_init
from bionicpro_assets.cli.user import run_user
from bionicpro_assets.errors import ClickHouseError, PlatformError
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.metrics.journal import journal_metrics
from bionicpro_assets.setup.access import (
    apply_clickhouse_roles,
    definer_statement,
    policy_statements,
    put_user,
    user_statements,
)
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.sqlfiles import scripts, sql
from bionicpro_assets_tests.integration.platform import Platform

ACCESS_DENIED, READONLY, NO_ACCESS_STORAGE, TOO_MANY_ROWS_OR_BYTES, SETTING_OUT_OF_RANGE = 497, 164, 514, 396, 452
VIEWS = [
    "user_prosthesis_stats",
    "user_daily_stats",
    "v_user_report",
    "v_user_summary",
    "v_today_by_user",
    "v_last_days",
]
TABLES = ["crm_customer_prosthesis", "hourly_telemetry", "user_prosthesis_stats"]

# What it is, and who may. Whatever isn't an administrator's nor named here is tried and must be refused.
MAY = {
    **{f"SELECT count() FROM reports.{v}": {"etl", "report_reader"} for v in VIEWS},
    "SELECT name FROM system.tables WHERE database = 'reports'": {"etl", "report_reader", "metrics"},
    **{f"SELECT count() FROM staging.{t}": {"etl"} for t in TABLES[:2]},
    **{f"SELECT count() FROM storage.{t}": {"etl"} for t in [*TABLES, "user_prosthesis_stats_rows"]},
    "SELECT count() FROM storage.publications": {"etl", "metrics"},
    "SELECT reason FROM quarantine.rejected_telemetry": {"etl", "metrics"},
    "SELECT chip_id FROM quarantine.rejected_telemetry": {"etl"},
    "SELECT chip_id FROM storage.rejected_telemetry": {"etl"},
    "SELECT row_count FROM storage.publications": {"etl", "metrics"},
    "SELECT run_id FROM storage.publications": {"etl"},
    "INSERT INTO storage.publications (hour_start) VALUES (0)": {"etl"},
    **{f"INSERT INTO storage.{t} (publication) SELECT 1 WHERE 0": {"etl"} for t in TABLES},
    **{f"DELETE FROM storage.{t} WHERE publication = 1": {"etl"} for t in TABLES},
    **{f"CHECK TABLE storage.{t}": {"etl"} for t in TABLES},
    "SELECT count() FROM system.detached_parts WHERE database = 'storage'": {"etl", "report_reader", "metrics"},
    "DELETE FROM storage.publications WHERE publication = 1": set(),
    "SELECT count() FROM storage.schema_changes": {"etl"},
    "INSERT INTO storage.schema_changes (file) SELECT 'x' WHERE 0": set(),
    "DELETE FROM storage.schema_changes WHERE file = 'x'": set(),
    "ALTER TABLE storage.publications UPDATE row_count = 1 WHERE 1": set(),
    "ALTER TABLE storage.user_prosthesis_stats UPDATE movements_count = 1 WHERE 1": set(),
    "TRUNCATE TABLE storage.user_prosthesis_stats": set(),
    "DROP TABLE storage.user_prosthesis_stats": set(),
    "DROP TABLE reports.user_prosthesis_stats": set(),
    "ALTER TABLE storage.user_prosthesis_stats ADD COLUMN extra UInt8": set(),
    "CREATE TABLE storage.another (a UInt8) ENGINE = MergeTree ORDER BY a": set(),
    "CREATE VIEW reports.another AS SELECT 1 AS one": set(),
    "CREATE DATABASE another": set(),
    "CREATE USER another": set(),
    "SELECT * FROM url('http://127.0.0.1:9/', 'TSV', 'a String')": set(),
    "SELECT * FROM file('/etc/hostname', 'TSV', 'a String')": set(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An engine's folder with the schema, and the views reading with the rights of their definer."""
    with identity(tmp_path, "administrator") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        _, views = clickhouse.rows(sql("clickhouse/queries/report_views.sql"))
        assert {name for (name,) in views} == set(VIEWS)
        for name in VIEWS:
            clickhouse.command(definer_statement(f"reports.{name}"))
    return tmp_path


@contextmanager
def identity(folder: Path, name: str) -> Iterator[ClickHouse]:
    with ClickHouse(url_of(folder, name)) as clickhouse:
        yield clickhouse


def url_of(folder: Path, name: str) -> str:
    """The embedded engine as one of the identities; `administrator` may do everything."""
    grants = "<access_management>1</access_management>" if name == "administrator" else grants_of(f"bionicpro_{name}")
    everywhere = "<networks><ip>::/0</ip></networks><quota>default</quota>"
    profile = "default" if name in ("etl", "administrator") else "report_reader"
    (folder / f"{name}.users.xml").write_text(f"""<clickhouse>
        <profiles><default/>{profile_of("035_limits_report_reader.sql")}</profiles><quotas><default/></quotas>
        <users>
            <default><password/><profile>{profile}</profile>{everywhere}{grants}</default>
            <bionicpro_views>
                <no_password/><profile>default</profile>{everywhere}{grants_of("bionicpro_views")}
            </bionicpro_views>
        </users>
    </clickhouse>""")
    config = folder / f"{name}.xml"
    config.write_text(f"<clickhouse><users_config>{folder}/{name}.users.xml</users_config></clickhouse>")
    return f"chdb://{quote(f'{folder}/clickhouse?config-file={config}')}"


def statements() -> list[str]:
    return [re.sub(r"--[^\n]*\n", "", text).strip() for _, text in scripts("clickhouse/roles")]


def grants_of(role: str) -> str:
    found = [re.fullmatch(rf"((?:GRANT|REVOKE) .+) (?:TO|FROM) {role}", s, re.DOTALL) for s in statements()]
    queries = [f"<query>{escape(match[1])}</query>" for match in found if match]
    assert queries, role
    return f"<grants>{''.join(queries)}</grants>"


def profile_of(file: str) -> str:
    limits = re.findall(r"(\w+) = (\d+)(?: MAX (\d+))?", sql(f"clickhouse/roles/{file}").partition("SETTINGS")[2])
    assert len(limits) == 5
    values = "".join(f"<{name}>{value}</{name}>" for name, value, _ in limits)
    maxima = "".join(f"<{name}><max>{most}</max></{name}>" for name, _, most in limits if most)
    return f"<report_reader>{values}<constraints>{maxima}</constraints></report_reader>"


def code_of(clickhouse: ClickHouse, statement: str) -> int:
    """0 when it is done, else the server's error code."""
    try:
        clickhouse.rows(statement) if statement.startswith("SELECT") else clickhouse.command(statement)
    except ClickHouseError as error:
        return int(getattr(error.__cause__, "code", None) or -1)
    return 0


@pytest.mark.parametrize("who", ["etl", "report_reader", "metrics"])
def test_each_may_do_just_what_the_table_says(folder, who):
    with identity(folder, who) as clickhouse:
        results = {statement: code_of(clickhouse, statement) for statement in MAY}
    refused = {ACCESS_DENIED, READONLY}
    assert {s for s, code in results.items() if code == 0} == {s for s, allowed in MAY.items() if who in allowed}
    assert {code for code in results.values() if code} <= refused


def test_an_administrator_may_do_everything_that_is_refused(folder):
    # Or a statement that never works would pass for one that is forbidden.
    never = ("CREATE USER", "SELECT * FROM url", "DROP", "ALTER TABLE storage.publications UPDATE")
    with identity(folder, "administrator") as clickhouse:
        assert not {s: c for s in MAY if not s.startswith(never) and (c := code_of(clickhouse, s))}
        assert not {s: c for s in MAY if s.startswith("DROP") and (c := code_of(clickhouse, s))}


def test_the_metrics_need_no_more_than_the_role(folder):
    with identity(folder, "administrator") as clickhouse:
        clickhouse.command("INSERT INTO storage.publications (table_name, hour_start, publication, row_count) "
                           "VALUES ('quarantine.rejected_telemetry', toStartOfHour(now()), 1, 1)")  # fmt: skip
        clickhouse.command("INSERT INTO storage.rejected_telemetry (hour_start, publication, chip_id, reason) "
                           "VALUES (toStartOfHour(now()), 1, 'CHIP-1', 'no wearer; too hot')")  # fmt: skip
    with identity(folder, "metrics") as clickhouse:
        found = {(sample.name, *sample.labels): sample.value for sample in journal_metrics(clickhouse)}
    assert found["bionicpro_table_publications", "quarantine.rejected_telemetry"] == 1
    assert found["bionicpro_quarantine_rows", "too hot"] == 1


def test_a_reader_may_be_held_to_one_users_rows(folder):
    with identity(folder, "administrator") as clickhouse:
        clickhouse.command("INSERT INTO storage.publications (table_name, hour_start, publication, row_count) "
                           "VALUES ('reports.user_prosthesis_stats', toStartOfHour(now()), 1, 2)")  # fmt: skip
        for user in ("o'anna", "boris"):
            clickhouse.rows("INSERT INTO storage.user_prosthesis_stats (hour_start, publication, user_id, report_date) "
                            "SELECT toStartOfHour(now()), 1, {user:String}, today()", {"user": user})  # fmt: skip
        _, views = clickhouse.rows(sql("clickhouse/queries/report_views_by_user.sql"))
    by_user = [view for (view,) in views]
    assert set(VIEWS) - set(by_user) == {"v_last_days"}
    # As `bionicpro user` says it, in the file that stands for CREATE ROW POLICY here. A policy for all of a database
    # can't stand in it, so the one view without users is named.
    policies = [re.fullmatch(r"CREATE ROW POLICY OR REPLACE \w+ ON reports\.(\S+) FOR SELECT USING (.+) TO api", s)
                for s in policy_statements("api", "o'anna", by_user)]  # fmt: skip
    filters = {match[1]: match[2] for match in policies}
    filters["v_last_days"] = filters.pop("*")
    url, file = url_of(folder, "report_reader"), folder / "report_reader.users.xml"
    limited = "".join(f"<{view}><filter>{escape(condition)}</filter></{view}>" for view, condition in filters.items())
    before, after = file.read_text().split("</default>\n            <bionicpro_views>")
    file.write_text(f"{before}<databases><reports>{limited}</reports></databases></default><bionicpro_views>{after}")
    with ClickHouse(url) as clickhouse:
        seen = {
            view: {user for (user,) in clickhouse.rows(f"SELECT user_id FROM reports.{view}")[1]} for view in by_user
        }
        assert seen == {view: {"o'anna"} for view in by_user}
        assert clickhouse.rows("SELECT count(), sum(users) FROM reports.v_last_days")[1][0][0] == 0
        assert clickhouse.rows("SELECT count() FROM reports.user_prosthesis_stats WHERE user_id = 'boris'")[1] == [(0,)]
    with identity(folder, "report_reader") as clickhouse:
        assert clickhouse.rows("SELECT count() FROM reports.user_prosthesis_stats")[1] == [(2,)]


def test_only_a_reader_of_reports_can_be_held_to_one_user(clickhouse):
    with pytest.raises(ClickHouseError, match="Only report_reader"):
        put_user(clickhouse, "x", "etl", "long enough to be one", "anna")


def test_a_reader_cannot_lift_its_limits(folder):
    with identity(folder, "report_reader") as clickhouse:
        tried = {
            "SELECT count() FROM reports.user_prosthesis_stats SETTINGS max_execution_time = 30": 0,
            "SELECT count() FROM reports.user_prosthesis_stats SETTINGS max_execution_time = 3600": SETTING_OUT_OF_RANGE,
            "SELECT count() FROM reports.user_prosthesis_stats SETTINGS readonly = 0": READONLY,
            "SELECT number FROM numbers(1000001)": TOO_MANY_ROWS_OR_BYTES,
        }
        assert {statement: code_of(clickhouse, statement) for statement in tried} == tried


@pytest.fixture
def least(sources, folder, monkeypatch) -> Iterator[Platform]:
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", sources.crm.url)
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", sources.telemetry.url)
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", url_of(folder, "etl"))
    monkeypatch.setenv("BIONICPRO_HOME", str(folder / "home"))
    with identity(folder, "etl") as clickhouse, Platform.open(sources, clickhouse) as platform:
        yield platform


def test_the_whole_job_and_the_sweep_need_no_more_than_the_role(least, folder):
    hour = floor_hour(datetime.now(UTC)) - timedelta(hours=2)
    least.sources.add_wearer("CHIP-1", "anna")
    least.sources.add_hour("CHIP-1", hour)
    least.sources.in_telemetry("UPDATE telemetry.raw_retention SET kept_since = now()")
    least.load(hour, hour)
    least.sources.add_hour("CHIP-1", hour, movements_count=101)
    least.load(hour, hour)
    assert least.mart() == least.sources.expected_mart(hour, hour)
    assert least.materialise(["storage/publications"]).success
    least.clickhouse.close()
    with identity(folder, "report_reader") as reader:
        assert reader.rows("SELECT sum(movements_count) FROM reports.user_prosthesis_stats")[1] == [(101,)]


def test_the_grammar_of_roles_and_users_is_understood(folder):
    users = [user_statements("reports_api", "report_reader", "long enough to be one")]
    users[0] += policy_statements("reports_api", "o'anna", ["user_prosthesis_stats"])
    with identity(folder, "administrator") as clickhouse:
        for statement in [*statements(), *users[0]]:
            # Understood, and then refused, as this engine has nowhere to keep a user or a role.
            assert code_of(clickhouse, statement) in {NO_ACCESS_STORAGE, 180, 192, 495, 511}, statement


def test_a_server_that_keeps_no_users_says_so(folder):
    with identity(folder, "administrator") as clickhouse, pytest.raises(ClickHouseError, match="no writeable access"):
        apply_clickhouse_roles(clickhouse)


@pytest.mark.parametrize(("name", "password"), [("x; DROP USER y", "long enough to be one"), ("etl", "short")])
def test_names_and_passwords_that_cannot_be_are_refused(clickhouse, name, password):
    with pytest.raises(ClickHouseError, match=r"can't be a user's name|shorter than 12"):
        put_user(clickhouse, name, "etl", password)


def test_a_password_is_sent_as_a_salted_hash_only():
    first, second = (user_statements("etl", "etl", "correct horse battery") for _ in range(2))
    assert "correct" not in " ".join(first)
    assert first != second


def test_the_commands_say_why_they_cannot(folder, monkeypatch):
    for name in ("CRM_DB", "TELEMETRY_DB"):
        monkeypatch.setenv(f"BIONICPRO_{name}_URL", "postgresql://etl@nowhere/db")
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", url_of(folder, "administrator"))
    (folder / "password").write_text("long enough to be one\n")
    with pytest.raises(PlatformError, match="no writeable access storage"):
        run_init(["roles"])
    with pytest.raises(PlatformError, match="no writeable access storage"):
        run_user("reports_api", "report_reader", folder / "password")
    with pytest.raises(PlatformError, match="nowhere can't be read: No such file"):
        run_user("reports_api", "report_reader", folder / "nowhere")
