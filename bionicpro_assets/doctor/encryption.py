"""Examining how the connections that the settings name are protected. It connects to nothing."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bionicpro_assets.alerts.addresses import LOOPBACK, smtp_server
from bionicpro_assets.doctor.finding import Finding
from bionicpro_assets.extract.connect import address_of, parts_of
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.settings import Settings

RESOLVER = Path("/etc/resolv.conf")
# Docker's own name server, in each container of a network that has a name.
DOCKERS_NAMES = re.compile(r"^nameserver\s+127\.0\.0\.11\s*$", re.MULTILINE)
# An address has a dot, a colon, or begins with a digit.
NAME_OF_A_CONTAINER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
CHECKED = {"verify-ca", "verify-full"}
SEE = "docs/security.md."


def examine_encryption(settings: Settings, *sources: PostgresSource) -> Iterator[Finding]:
    """A warning of each connection that leaves this machine and could be read, or answered by somebody else."""
    for source in sources:
        yield from _postgres(source)
    yield from _clickhouse(settings.secret("BIONICPRO_CLICKHOUSE_URL"))
    if settings.alert_email_to:
        server = smtp_server(settings.secret("BIONICPRO_SMTP_URL"))
        if server.tls == "none" and not is_near(server.host):
            yield _warning(
                "alerts",
                f"Mail goes to {server.host}:{server.port} in clear: put ?starttls=required into BIONICPRO_SMTP_URL, "
                "or make it smtps://",
            )
    if settings.alert_webhook_url:
        url = urlsplit(settings.secret("BIONICPRO_ALERT_WEBHOOK_URL"))
        if url.scheme == "http" and not is_near(url.hostname or ""):
            yield _warning(
                "alerts", f"Alerts go to {url.hostname} in clear: BIONICPRO_ALERT_WEBHOOK_URL is no https://"
            )


def is_near(host: str) -> bool:
    """Whether what is sent to the host stays on this machine: a socket, loopback, a container on a Docker network.

    Only a container's own resolver tells such a name from one of the local network: elsewhere, a name without a dot may
    be a machine next door.
    """
    if not host or host.startswith(("/", "@")) or host in LOOPBACK:
        return True
    return NAME_OF_A_CONTAINER.fullmatch(host) is not None and _names_are_dockers()


def _names_are_dockers() -> bool:
    try:
        return DOCKERS_NAMES.search(RESOLVER.read_text()) is not None
    except OSError:
        return False


def _postgres(source: PostgresSource) -> Iterator[Finding]:
    parts = parts_of(source.url)
    # As libpq finds them, which goes by the address where there are both.
    hosts = parts.get("hostaddr") or parts.get("host") or os.environ.get("PGHOST", "")
    mode = parts.get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"
    if mode not in CHECKED and not all(map(is_near, hosts.split(","))):
        yield _warning(
            source.name,
            f"Whoever stands between could be {address_of(parts)}: with sslmode={mode}, its certificate isn't checked. "
            f"Put ?sslmode=verify-full&sslrootcert=/path into {source.setting}",
        )


def _clickhouse(url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme == "chdb" or is_near(parts.hostname or ""):
        return
    if parts.scheme == "http":
        yield _warning(
            "clickhouse",
            f"The password and all rows go to {parts.hostname} in clear: make BIONICPRO_CLICKHOUSE_URL https://",
        )
    elif parse_qs(parts.query).get("verify") == ["false"]:
        yield _warning(
            "clickhouse",
            f"Whoever stands between could be {parts.hostname}: with verify=false, its certificate isn't checked. Name "
            "its authority's in BIONICPRO_CLICKHOUSE_URL, with ?ca_cert=/path",
        )


def _warning(subject: str, says: str) -> Finding:
    return Finding(subject, "warning", f"{says}; {SEE}")
