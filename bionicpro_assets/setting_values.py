"""Values of settings: what each kind of them must look like, said in words that name no secret."""

import difflib
from datetime import datetime
from functools import cache
from typing import Annotated
from urllib.parse import parse_qs, urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, SecretStr

from bionicpro_assets.alerts.addresses import email_addresses, smtp_server, web_url
from bionicpro_assets.hours import parse_hour

CLICKHOUSE_OPTIONS = {
    "ca_cert",
    "client_cert",
    "client_cert_key",
    "verify",
    "connect_timeout",
    "send_receive_timeout",
}

ENCODE = "special characters in the password must be percent-encoded"

# A machine's folder of zones has them, and Python lists them; IANA doesn't, nor do polars and ClickHouse.
NO_TIME_ZONES = {"localtime", "Factory"}


def _postgres_url(secret: SecretStr) -> SecretStr:
    from psycopg2 import ProgrammingError
    from psycopg2.extensions import parse_dsn

    url = secret.get_secret_value()
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://, like postgresql://user:password@host:5432/database")
    try:
        parts = parse_dsn(url)
    except ProgrammingError:
        # libpq's message may quote the password, so it isn't passed on.
        raise ValueError(f"is not a PostgreSQL URL; {ENCODE}") from None
    # With an @ or a / of the password left as it is, libpq takes a part of the password for a host, a port or a
    # database, and its errors, and ours, would show it.
    if url.count("@") > 1 or "@" in parts.get("dbname", ""):
        raise ValueError(f"has an @ that belongs to no host; {ENCODE}")
    ports = parts.get("port", "").split(",")
    if any(port and not (port.isdecimal() and 0 < int(port) < 65536) for port in ports):
        raise ValueError(f"has a port that isn't a number from 1 to 65535; {ENCODE}")
    if len(ports) not in (1, len(parts.get("host", "").split(","))):
        raise ValueError("must have one port, or as many as hosts")
    if not parts.get("dbname"):
        raise ValueError("names no database: it must end with /database")
    return secret


def _clickhouse_url(secret: SecretStr) -> SecretStr:
    try:
        url = urlsplit(secret.get_secret_value())
        port = url.port
    except ValueError:
        raise ValueError(f"is not a URL; {ENCODE}") from None
    if url.scheme == "chdb":
        if url.netloc or len(url.path) < 2:
            raise ValueError("must name an absolute folder, like chdb:///var/lib/bionicpro/clickhouse")
        if url.query or url.fragment:
            # What follows would be left out, and the mart be in another folder.
            raise ValueError("has a ? or # after the folder: percent-encode what belongs to its name, and drop options")
        return secret
    if url.scheme not in ("http", "https"):
        raise ValueError("must begin with chdb://, http:// or https://")
    if url.fragment or "@" in url.path + url.query or url.netloc.count("@") > 1:
        # Else what follows a raw #, ? or / in the password would be taken for something else, and shown.
        raise ValueError(f"isn't clear about where its password ends; {ENCODE}")
    if not url.hostname or port == 0:
        raise ValueError("names no host: like https://user:password@host:8443/reports")
    if url.path not in ("", "/", "/reports"):
        raise ValueError("must end with /reports: the mart is the database `reports`")
    _check_clickhouse_options(url.query)
    return secret


def _check_clickhouse_options(query: str) -> None:
    """Refuse what the driver would take for something else.

    It takes the last of two values, drops an empty one, and reads `verify=ture` as `false`: nobody is checked.
    """
    options = parse_qs(query, keep_blank_values=True)
    if unknown := sorted(set(options) - CLICKHOUSE_OPTIONS):
        raise ValueError(
            f"has options nobody knows: {', '.join(unknown)}; known are {', '.join(sorted(CLICKHOUSE_OPTIONS))}"
        )
    for name, values in options.items():
        if len(values) > 1 or not values[0]:
            raise ValueError(f"must have one value for its option {name}")
        if name == "verify" and values[0] not in ("true", "false"):
            raise ValueError("has an option verify that is neither true nor false")
        if name.endswith("_timeout") and not (values[0].isdecimal() and values[0].isascii() and int(values[0]) > 0):
            raise ValueError(f"has an option {name} that isn't a whole number of seconds above 0")


@cache
def _known_time_zones() -> frozenset[str]:
    # Cached: it looks at some 600 files, and the settings are read several times in a run.
    return frozenset(available_timezones() - NO_TIME_ZONES)


def _time_zone(name: str) -> str:
    known = _known_time_zones()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ", like UTC or Europe/Moscow"
        raise ValueError(f"is not an IANA time zone{hint}")
    return name


def _hour(value: object) -> object:
    return parse_hour(value) if isinstance(value, str) else value


def _since_2000(hour: datetime) -> datetime:
    # Each hour is a partition to Dagster, and a century of them makes every page slow.
    if hour.year < 2000:
        raise ValueError("lies before 2000: give the first hour of which there is telemetry, like 2026-01-01T00:00")
    return hour


def _smtp_url(secret: SecretStr) -> SecretStr:
    smtp_server(secret.get_secret_value())
    return secret


def _webhook_url(secret: SecretStr) -> SecretStr:
    web_url(secret.get_secret_value())
    return secret


def _addressees(text: str) -> str:
    return ", ".join(email_addresses(text))


def _sender(text: str) -> str:
    addresses = email_addresses(text)
    if len(addresses) > 1:
        raise ValueError("holds more than one address: a message has one sender")
    return addresses[0]


PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
ClickHouseUrl = Annotated[SecretStr, AfterValidator(_clickhouse_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
WebUrl = Annotated[str, AfterValidator(web_url)]
Addressees = Annotated[str, AfterValidator(_addressees)]
Sender = Annotated[str, AfterValidator(_sender)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Hour = Annotated[datetime, BeforeValidator(_hour), AfterValidator(_since_2000)]
