"""What `bionicpro doctor` says of connections that leave the machine."""

import pytest

from bionicpro_assets.doctor import encryption
from bionicpro_assets.doctor.encryption import examine_encryption, is_near
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.settings import Settings

SAFE = {
    "BIONICPRO_CRM_DB_URL": "postgresql://etl:s3cret@db.example.org/crm_db?sslmode=verify-full",
    "BIONICPRO_TELEMETRY_DB_URL": "postgresql://etl:s3cret@db.example.org/telemetry_db?sslmode=verify-full",
    "BIONICPRO_CLICKHOUSE_URL": "https://etl:s3cret@mart.example.org:8443/reports",
}
MAIL = {"BIONICPRO_ALERT_EMAIL_TO": "oncall@example.org", "BIONICPRO_ALERT_EMAIL_FROM": "reports@example.org"}


@pytest.fixture
def said(clean_environment, monkeypatch, tmp_path):
    """The warnings of settings that differ from the safe ones; outside of Docker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(encryption, "RESOLVER", tmp_path / "resolv.conf")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")

    def say(**changed: str) -> list[str]:
        for name, value in (SAFE | changed).items():
            monkeypatch.setenv(name, value)
        settings = Settings.load()
        crm = PostgresSource("crm_db", settings.secret("BIONICPRO_CRM_DB_URL"), "BIONICPRO_CRM_DB_URL")
        found = list(examine_encryption(settings, crm))
        assert {finding.state for finding in found} <= {"warning"}
        assert "s3cret" not in str(found)
        return [f"{finding.subject}: {finding.says}" for finding in found]

    return say


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("db.example.org/crm_db", "prefer"),
        ("db.example.org/crm_db?sslmode=disable", "disable"),
        ("db.example.org/crm_db?sslmode=allow", "allow"),
        ("db.example.org/crm_db?sslmode=require", "require"),
        ("db.example.org/crm_db?sslmode=verify-ca", None),
        ("db.example.org/crm_db?sslmode=verify-full", None),
        ("crm_db/crm_db", "prefer"),
        ("192.0.2.7/crm_db", "prefer"),
        ("127.0.0.1/crm_db", None),
        ("localhost/crm_db", None),
        ("[::1]/crm_db", None),
        ("/crm_db?host=/var/run/postgresql", None),
        # One of two is enough, and an address goes before a name.
        ("localhost,db.example.org/crm_db", "prefer"),
        ("localhost/crm_db?hostaddr=192.0.2.7", "prefer"),
    ],
)
def test_a_certificate_that_nobody_checks(said, address, warned):
    told = said(BIONICPRO_CRM_DB_URL=f"postgresql://etl:s3cret@{address}")
    if warned:
        (line,) = told
        assert line.startswith("crm_db: Whoever stands between could be ")
        assert f"with sslmode={warned}, its certificate isn't checked" in line
        assert "sslmode=verify-full&sslrootcert=/path into BIONICPRO_CRM_DB_URL" in line
    else:
        assert told == []


def test_the_mode_and_the_host_that_libpq_takes_from_the_environment_count(said, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert said(BIONICPRO_CRM_DB_URL="postgresql://etl:s3cret@db.example.org/crm_db") == []
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGHOST", "db.example.org")
    (line,) = said(BIONICPRO_CRM_DB_URL="postgresql:///crm_db")
    assert "sslmode=disable" in line


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://etl:s3cret@mart.example.org:8123/reports", "in clear"),
        ("http://etl:s3cret@clickhouse:8123/reports", "in clear"),
        ("https://etl:s3cret@mart.example.org/reports?verify=false", "with verify=false"),
        ("https://etl:s3cret@mart.example.org/reports?verify=true", None),
        ("http://etl:s3cret@127.0.0.1:8123/reports", None),
        ("chdb:///var/lib/mart", None),
    ],
)
def test_a_mart_that_somebody_else_could_be(said, url, warned):
    told = said(BIONICPRO_CLICKHOUSE_URL=url)
    assert [line.startswith("clickhouse: ") and warned in line for line in told] == ([True] if warned else [])


@pytest.mark.parametrize(
    ("changed", "warned"),
    [
        (MAIL | {"BIONICPRO_SMTP_URL": "smtp://mail.example.org"}, "Mail goes to mail.example.org:25 in clear"),
        (MAIL | {"BIONICPRO_SMTP_URL": "smtp://mail.example.org?starttls=required"}, None),
        (MAIL | {"BIONICPRO_SMTP_URL": "smtps://mail.example.org"}, None),
        (MAIL | {"BIONICPRO_SMTP_URL": "smtp://localhost"}, None),
        ({"BIONICPRO_ALERT_WEBHOOK_URL": "http://hooks.example.org/s3cret"}, "Alerts go to hooks.example.org in clear"),
        ({"BIONICPRO_ALERT_WEBHOOK_URL": "https://hooks.example.org/s3cret"}, None),
    ],
)
def test_alerts_that_others_could_read(said, changed, warned):
    told = said(**changed)
    assert [line.startswith(f"alerts: {warned}") for line in told] == ([True] if warned else [])


def test_names_of_containers_stay_on_the_machine_where_docker_resolves_them(said, tmp_path):
    (tmp_path / "resolv.conf").write_text("search local\nnameserver 127.0.0.11\noptions ndots:0\n")
    assert [is_near(host) for host in ("crm_db", "clickhouse", "mail-1")] == [True] * 3
    assert [is_near(host) for host in ("db.example.org", "192.0.2.7", "2001:db8::7", "3221225991", "0xc0000207")] == [
        False
    ] * 5
