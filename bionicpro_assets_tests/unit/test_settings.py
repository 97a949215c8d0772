import re
from typing import Annotated

import pytest
from psycopg2.extensions import parse_dsn
from pydantic import AfterValidator, Field, SecretStr, TypeAdapter, ValidationError

from bionicpro_assets.errors import SettingsError
from bionicpro_assets.extract.connect import conninfo
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.setting_values import PostgresUrl
from bionicpro_assets.settings import Settings, secret_file_names, setting_names

GOOD = {
    "BIONICPRO_CRM_DB_URL": "postgresql://etl:s3cr%20et@crm_db:5432/crm_db",
    "BIONICPRO_TELEMETRY_DB_URL": "postgresql://etl:s3cr%20et@telemetry_db:5432/telemetry_db?sslmode=require",
    "BIONICPRO_CLICKHOUSE_URL": "https://etl:s3cr%20et@clickhouse:8443/reports",
}
SECRET = "s3cr"


def problems() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return caught.value.problems


def set_all(monkeypatch, **changed):
    for name, value in (GOOD | changed).items():
        monkeypatch.setenv(name, value)


def test_defaults_are_those_of_the_airflow_dag(monkeypatch):
    set_all(monkeypatch)
    settings = Settings.load()
    assert (settings.lookback_hours, settings.batch_size) == (2, 10_000)
    assert (settings.report_timezone, settings.rollup) == ("UTC", "platform")


def test_all_problems_are_listed_at_once_by_name(monkeypatch):
    set_all(
        monkeypatch,
        BIONICPRO_CRM_DB_URL="mysql://etl:s3cret@crm_db/crm",
        BIONICPRO_TELEMETRY_DB_URL="postgresql://etl:s3cret@telemetry_db",
        BIONICPRO_CLICKHOUSE_URL="https://etl:s3cret@clickhouse/other",
        ETL_LOOKBACK_HOURS="two",
        ETL_BATCH_SIZE="0",
        BIONICPRO_PARTITIONS_START="2026-01-01T00:30",
        BIONICPRO_REPORT_TIMEZONE="Europe/Moskow",
        BIONICPRO_ROLLUP="sometimes",
        BIONICPRO_CLICKHOSE_URL="x",
    )
    found = problems()
    assert {p.partition(":")[0] for p in found} == {
        "BIONICPRO_CRM_DB_URL",
        "BIONICPRO_TELEMETRY_DB_URL",
        "BIONICPRO_CLICKHOUSE_URL",
        "ETL_LOOKBACK_HOURS",
        "ETL_BATCH_SIZE",
        "BIONICPRO_PARTITIONS_START",
        "BIONICPRO_REPORT_TIMEZONE",
        "BIONICPRO_ROLLUP",
        "BIONICPRO_CLICKHOSE_URL",
    }
    assert not [p for p in found if SECRET in p]


@pytest.mark.parametrize("name", list(GOOD))
def test_a_missing_or_empty_url_is_named_and_explained(monkeypatch, name):
    set_all(monkeypatch, **{name: ""})
    (problem,) = problems()
    assert problem.startswith(f"{name}: is not set. ")


@pytest.mark.parametrize(
    "url",
    [
        "etl:s3cret@crm_db/crm_db",
        "postgresql://etl:s3cret with blank@crm_db:port/crm_db?nonsense=1",
        "postgresql://etl:s3cret@crm_db/",
        "postgresql://etl:s3%zzcret@crm_db/crm_db",
    ],
)
def test_a_wrong_postgres_url_is_refused_without_showing_it(monkeypatch, url):
    set_all(monkeypatch, BIONICPRO_CRM_DB_URL=url)
    (problem,) = problems()
    assert problem.startswith("BIONICPRO_CRM_DB_URL: ")
    assert SECRET not in problem


@pytest.mark.parametrize(
    "url",
    [
        "chdb://relative",
        "chdb://",
        "chdb:///mart?of=2026",
        "chdb:///mart#1",
        "http://",
        "https://h:99999/reports",
        "https://h/reports?nonsense=1",
        "https://h/reports?nonsense=",
        # Each of these switches the check of the certificate off in the driver, or leaves out what was asked for.
        *(f"https://h/reports?verify={word}" for word in ("ture", "on", "True", "0", "", "proxy")),
        "https://h/reports?verify=true&verify=false",
        "https://h/reports?ca_cert=",
        "https://h/reports?connect_timeout=0",
        "https://h/reports?send_receive_timeout=-1",
        "h:8123",
    ],
)
def test_a_wrong_clickhouse_url_is_refused(monkeypatch, url):
    set_all(monkeypatch, BIONICPRO_CLICKHOUSE_URL=url)
    (problem,) = problems()
    assert problem.startswith("BIONICPRO_CLICKHOUSE_URL: ")


def test_what_the_driver_knows_of_a_clickhouse_url_is_taken(monkeypatch):
    options = "verify=true&ca_cert=/ca.crt&client_cert=/c.crt&client_cert_key=/c.key&connect_timeout=5&send_receive_timeout=60"
    set_all(monkeypatch, BIONICPRO_CLICKHOUSE_URL=f"https://h:8443/reports?{options}")
    assert Settings.load().secret("BIONICPRO_CLICKHOUSE_URL").endswith(options)


def test_a_name_that_only_looks_like_a_setting_is_reported(monkeypatch):
    set_all(monkeypatch, BIONICPRO_REPORT_TIMEZON="UTC", ETL_LOOKBACK_HOUR="3", ETL_OF_SOMEBODY_ELSE="1")
    found = problems()
    assert found == [
        "BIONICPRO_REPORT_TIMEZON: there is no such setting; did you mean BIONICPRO_REPORT_TIMEZONE?",
        "ETL_LOOKBACK_HOUR: there is no such setting; did you mean ETL_LOOKBACK_HOURS?",
    ]


@pytest.mark.parametrize("zone", ["localtime", "Factory"])
def test_what_only_this_machine_calls_a_time_zone_is_refused(monkeypatch, zone):
    """Python takes them for zones; the first load would fail over them."""
    set_all(monkeypatch, BIONICPRO_REPORT_TIMEZONE=zone)
    (problem,) = problems()
    assert problem.startswith("BIONICPRO_REPORT_TIMEZONE: is not an IANA time zone")


def test_the_environment_goes_before_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text(
        "".join(f"{k}='{v}'\n" for k, v in GOOD.items()) + "ETL_LOOKBACK_HOURS=5\nETL_BATCH_SIZE=7\n"
    )
    monkeypatch.setenv("ETL_BATCH_SIZE", "9")
    settings = Settings.load()
    assert (settings.lookback_hours, settings.batch_size) == (5, 9)


def test_an_env_file_that_is_named_must_exist(monkeypatch, tmp_path):
    set_all(monkeypatch, BIONICPRO_ENV_FILE=str(tmp_path / "nowhere.env"))
    (problem,) = problems()
    assert "nowhere.env: there is no such file" in problem


def test_an_env_file_that_isnt_text_is_one_problem_among_the_others(monkeypatch, tmp_path):
    set_all(monkeypatch, ETL_BATCH_SIZE="0")
    (tmp_path / ".env").write_bytes("ETL_LOOKBACK_HOURS=3 # часа\n".encode("cp1251"))
    can_t_be_read, batch_size = problems()
    assert can_t_be_read == ".env: can't be read: it isn't text in UTF-8"
    assert batch_size.startswith("ETL_BATCH_SIZE: ")


def test_a_line_of_the_env_file_that_is_no_setting_is_named(monkeypatch, tmp_path, caplog):
    """Passed over, it would leave a default in the place of what somebody wrote."""
    set_all(monkeypatch)
    (tmp_path / ".env").write_text(
        "# ours\nETL_BATCH_SIZE=7\n\n\nETL_LOOKBACK_HOURS: 5 s3cret\nexport ETL_BATCH_SIZE=8\n"
    )
    assert problems() == [".env: line 5 isn't like NAME=value"]
    assert not caplog.records, "it is said once"


def test_secrets_are_in_no_representation(monkeypatch):
    set_all(monkeypatch)
    settings = Settings.load()
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.secret("BIONICPRO_CRM_DB_URL") == GOOD["BIONICPRO_CRM_DB_URL"]


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    set_all(monkeypatch)
    monkeypatch.delenv("BIONICPRO_CRM_DB_URL")
    secret = tmp_path / "crm_db_url"
    secret.write_text(f"{GOOD['BIONICPRO_CRM_DB_URL']}\n")
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL_FILE", str(secret))
    settings = Settings.load()
    assert settings.secret("BIONICPRO_CRM_DB_URL") == GOOD["BIONICPRO_CRM_DB_URL"]
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()}"


def test_a_file_of_settings_may_name_the_file_of_a_secret(tmp_path):
    (tmp_path / "crm").write_text(GOOD["BIONICPRO_CRM_DB_URL"])
    lines = {**GOOD, "BIONICPRO_CRM_DB_URL_FILE": str(tmp_path / "crm")}
    del lines["BIONICPRO_CRM_DB_URL"]
    (tmp_path / ".env").write_text("".join(f"{k}='{v}'\n" for k, v in lines.items()))
    assert Settings.load().secret("BIONICPRO_CRM_DB_URL") == GOOD["BIONICPRO_CRM_DB_URL"]


def test_every_secret_may_come_from_a_file_and_nothing_else():
    secrets = [*GOOD, "BIONICPRO_SMTP_URL", "BIONICPRO_ALERT_WEBHOOK_URL"]
    assert secret_file_names() == {f"{name}_FILE": name for name in secrets}


def test_a_secret_is_set_once(monkeypatch, tmp_path):
    (tmp_path / "crm").write_text(GOOD["BIONICPRO_CRM_DB_URL"])
    set_all(monkeypatch, BIONICPRO_CRM_DB_URL_FILE=str(tmp_path / "crm"))
    assert problems() == ["BIONICPRO_CRM_DB_URL: is set, and so is BIONICPRO_CRM_DB_URL_FILE; set one of them."]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "BIONICPRO_CRM_DB_URL_FILE: {file} can't be read: No such file or directory."),
        (b"\n", "BIONICPRO_CRM_DB_URL_FILE: {file} is empty."),
        (b"\xff\xfe", "BIONICPRO_CRM_DB_URL_FILE: {file} can't be read: it isn't text."),
        (b"mysql://etl:s3cret@crm_db/crm", "BIONICPRO_CRM_DB_URL: must begin with postgresql://"),
    ],
)
def test_a_wrong_file_is_one_problem_among_the_others(monkeypatch, tmp_path, content, problem):
    file = tmp_path / "crm"
    if content is not None:
        file.write_bytes(content)
    set_all(monkeypatch, ETL_BATCH_SIZE="0", BIONICPRO_CRM_DB_URL="", BIONICPRO_CRM_DB_URL_FILE=str(file))
    found = problems()
    assert len(found) == 2
    assert [p for p in found if p.startswith(problem.format(file=file))]
    assert not [p for p in found if SECRET in p]


@pytest.mark.parametrize("name", list(GOOD))
def test_an_example_value_that_was_left_is_named(monkeypatch, name):
    set_all(monkeypatch, **{name: GOOD[name].replace("s3cr%20et", "change-me")})
    assert problems() == [f"{name}: still holds the example value (change-me); put the real one in its place"]


class More(Settings):
    """A secret that needn't be set, like those that may come."""

    token: Annotated[SecretStr, AfterValidator(lambda v: v)] | None = Field(None, alias="BIONICPRO_TOKEN")


def test_a_secret_that_may_be_absent_is_guarded_too(monkeypatch):
    set_all(monkeypatch, BIONICPRO_TOKEN="change-me")
    with pytest.raises(SettingsError, match="BIONICPRO_TOKEN: still holds the example value"):
        More.load()


def test_a_misspelt_file_is_reported(monkeypatch):
    set_all(monkeypatch, BIONICPRO_CRM_DB_URL_FILES="/run/secrets/crm_db_url")
    assert problems() == [
        "BIONICPRO_CRM_DB_URL_FILES: there is no such setting; did you mean BIONICPRO_CRM_DB_URL_FILE?"
    ]


def test_every_setting_has_a_description():
    assert all(setting_names().values())


@pytest.mark.parametrize(
    "start", ["0001-01-01T00:00+03:00", "0001-01-01T00:00", "1900-01-01T00:00", "1999-12-31T23:00"]
)
def test_a_first_hour_long_ago_is_refused_in_a_sentence(monkeypatch, start):
    set_all(monkeypatch, BIONICPRO_PARTITIONS_START=start)
    (problem,) = problems()
    assert problem.startswith("BIONICPRO_PARTITIONS_START: ")
    assert "before 2000" in problem or "no hour of the years 1 to 9999" in problem


SECRETS = ["qX@Zq", "p@a@s", "qX/Zq", "12/Zq", "qX:s/s", "p/a@s", "7/a@s/x", "a/b:c@d", "p%Zq", "p%zzQ"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_password_that_is_not_encoded_is_refused_without_a_part_of_it(secret):
    """libpq would take a part of it for a host, a port or a database, and errors would show that."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(PostgresUrl).validate_python(f"postgresql://etl:{secret}@db.example:5432/crm")
    (problem,) = caught.value.errors(include_input=False)
    assert "must be percent-encoded" in problem["msg"]
    parts = [part for part in re.split(r"[@/:%]", secret) if len(part) > 1]
    assert not [part for part in parts if part in problem["msg"]]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://etl:a%40b%2Fc%23@db.example:5432/crm", "db.example:5432/crm"),
        # What libpq takes as it is.
        ("postgresql://etl:a#b?c@db.example/crm", "db.example/crm"),
        ("postgresql://etl:s3cret@one:5432,two:5433/crm?target_session_attrs=read-write", "one:5432,two:5433/crm"),
        ("postgresql://etl:s3cret@one,two:5433/crm", "one,two:5433/crm"),
        ("postgresql://etl@[::1]:5432/crm", "::1:5432/crm"),
        ("postgresql:///crm?host=/run/socket", "local socket/crm"),
        ("postgresql://etl@/crm?host=db.example&port=7", "db.example:7/crm"),
    ],
)
def test_an_address_is_what_libpq_takes_it_for(url, place):
    TypeAdapter(PostgresUrl).validate_python(url)
    source = PostgresSource("crm_db", url, "X")
    assert source.place == f"crm_db ({place})"
    # And it means the same when it is handed to libpq.
    assert parse_dsn(url).items() <= parse_dsn(conninfo(source.url)).items()


@pytest.mark.parametrize("port", ["99999", "0", "a", "-1", "1,db2:2:3"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(ValidationError, match="port"):
        TypeAdapter(PostgresUrl).validate_python(f"postgresql://etl@db.example:{port}/crm")
