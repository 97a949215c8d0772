"""Settings of alerts, and what becomes of texts that hold secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.alerts.addresses import SmtpServer, smtp_server
from bionicpro_assets.alerts.mail import EmailChannel
from bionicpro_assets.alerts.setup import channels_of, secrets_in
from bionicpro_assets.alerts.text import redacted, secrets_of
from bionicpro_assets.alerts.webhook import WebhookChannel
from bionicpro_assets.errors import SettingsError
from bionicpro_assets.settings import Settings

REQUIRED = {
    "BIONICPRO_CRM_DB_URL": "postgresql://etl@crm_db/crm_db",
    "BIONICPRO_TELEMETRY_DB_URL": "postgresql://etl@telemetry_db/telemetry_db",
    "BIONICPRO_CLICKHOUSE_URL": "http://etl@clickhouse:8123/reports",
}
EMAIL = {
    "BIONICPRO_ALERT_EMAIL_TO": "oncall@example.org, reports@example.org",
    "BIONICPRO_ALERT_EMAIL_FROM": "bionicpro@example.org",
    "BIONICPRO_SMTP_URL": "smtp://etl:s3cr%40t@mail.example.org:587",
}
WEBHOOK = {"BIONICPRO_ALERT_WEBHOOK_URL": "https://hooks.example.org/services/T0KEN"}


def load(monkeypatch, **values):
    for name, value in (REQUIRED | values).items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def problems(monkeypatch, **values):
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, **values)
    assert "s3cr" not in str(caught.value)
    return {p.partition(":")[0]: p.partition(": ")[2] for p in caught.value.problems}


def test_off_by_default(monkeypatch):
    assert channels_of(load(monkeypatch)) == []


def test_both_channels(monkeypatch):
    settings = load(monkeypatch, **EMAIL, **WEBHOOK)
    server = SmtpServer("mail.example.org", 587, "starttls", "etl", "s3cr@t")
    assert channels_of(settings) == [
        EmailChannel(server, "bionicpro@example.org", ["oncall@example.org", "reports@example.org"]),
        WebhookChannel("https://hooks.example.org/services/T0KEN"),
    ]
    assert not any(word in f"{settings!r} {channels_of(settings)!r}" for word in ("s3cr", "T0KEN"))
    assert {"s3cr@t", "s3cr%40t", WEBHOOK["BIONICPRO_ALERT_WEBHOOK_URL"]} <= secrets_in(settings)


@pytest.mark.parametrize("missing", ["BIONICPRO_ALERT_EMAIL_FROM", "BIONICPRO_SMTP_URL"])
def test_addressees_without_a_way_to_them(monkeypatch, missing):
    found = problems(monkeypatch, **{k: v for k, v in EMAIL.items() if k != missing})
    assert found[missing].startswith("is not set, and BIONICPRO_ALERT_EMAIL_TO is.")


def test_a_way_to_nobody_is_told_with_everything_else(monkeypatch):
    settings = {k: v for k, v in EMAIL.items() if k != "BIONICPRO_ALERT_EMAIL_TO"}
    found = problems(monkeypatch, **settings, BIONICPRO_ROLLUP="sometimes")
    assert set(found) == {"BIONICPRO_SMTP_URL", "BIONICPRO_ALERT_EMAIL_FROM", "BIONICPRO_ROLLUP"}
    assert "nobody would get an e-mail" in found["BIONICPRO_SMTP_URL"]


def test_an_empty_variable_is_as_good_as_none(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("\n".join(f"{k}={v}" for k, v in EMAIL.items()))
    assert len(channels_of(load(monkeypatch, BIONICPRO_SMTP_URL=""))) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BIONICPRO_ALERT_EMAIL_TO", "oncall", "position 1"),
        ("BIONICPRO_ALERT_EMAIL_TO", "a@example.org, b@example.org\nBcc: c@example.org", "position 2"),
        ("BIONICPRO_ALERT_EMAIL_TO", " , ", "holds no address"),
        ("BIONICPRO_ALERT_EMAIL_FROM", "a@example.org, b@example.org", "one sender"),
        ("BIONICPRO_SMTP_URL", "mail.example.org", "must begin with smtp:// or smtps://"),
        ("BIONICPRO_SMTP_URL", "smtp://", "names no host"),
        ("BIONICPRO_SMTP_URL", "smtp://mail:port", "is not a URL"),
        ("BIONICPRO_SMTP_URL", "smtp://etl:s3cr/et@mail:25", "is not a URL"),
        ("BIONICPRO_SMTP_URL", "smtp://mail/s3cret", "must end after the port"),
        ("BIONICPRO_SMTP_URL", "smtp://etl@mail", "a user without a password"),
        ("BIONICPRO_SMTP_URL", "smtp://etl:s3crет@mail", "isn't ASCII"),
        ("BIONICPRO_SMTP_URL", "smtp://mail?tls=yes", "options nobody knows: tls"),
        ("BIONICPRO_SMTP_URL", "smtp://mail?starttls=maybe", "neither required nor never"),
        ("BIONICPRO_SMTP_URL", "smtps://mail?starttls=required", "TLS from the first byte"),
        ("BIONICPRO_SMTP_URL", "smtp://etl:s3cret@mail?starttls=never", "would send the password in clear"),
        ("BIONICPRO_ALERT_WEBHOOK_URL", "hooks.example.org/s3cret", "must be an http:// or https:// URL"),
        ("BIONICPRO_ALERT_WEBHOOK_URL", "file:///etc/s3cret", "must be an http:// or https:// URL"),
        ("BIONICPRO_ALERT_WEBHOOK_URL", "https://hooks.example.org/s3cret x", "without blanks"),
        ("BIONICPRO_UI_URL", "https://etl:s3cret@dagster", "must not hold a user or password"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(monkeypatch, name, value, said):
    assert said in problems(monkeypatch, **(EMAIL | {name: value}))[name]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", SmtpServer("localhost", 25, "none")),
        ("smtp://mail:2525?starttls=required", SmtpServer("mail", 2525, "starttls")),
        ("smtps://a:b@mail", SmtpServer("mail", 465, "smtps", "a", "b")),
        ("smtp://a:b@mail:587", SmtpServer("mail", 587, "starttls", "a", "b")),
        ("smtp://a:b@localhost", SmtpServer("localhost", 25, "none", "a", "b")),
        ("smtp://a%40corp:p%2F%3A@mail?ca_cert=/etc/ca.pem", SmtpServer("mail", 25, "starttls", "a@corp", "p/:", "/etc/ca.pem")),
    ],
)  # fmt: skip
def test_mail_servers(url, server):
    assert smtp_server(url) == server


@given(st.text(), st.text("abcdeFGH123%/:", min_size=3, max_size=20), st.text("xyz @.,:/"))
def test_no_secret_is_left_in_a_text(before, secret, after):
    assert secret not in redacted(f"{before}{secret}{after}", secrets_of([secret]))


def test_what_looks_like_a_secret_or_a_person_is_left_out():
    text = (
        "Ask anna.petrova+x@mail.example.org about postgresql://etl:p@ss:w0rd@crm_db:5432/crm_db and http://host/path."
    )
    assert redacted(text) == "Ask …@… about postgresql://…@crm_db:5432/crm_db and http://host/path."


def test_a_long_error_is_cut_short():
    assert len(redacted("x" * 10_000)) == 600
