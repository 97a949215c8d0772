"""Where alerts go: the addresses people write into the settings, taken apart and checked."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

SMTP_OPTIONS = {"starttls", "ca_cert"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Not RFC 5322: what mail systems really have. It keeps out what would be a second header or a second addressee.
EMAIL = re.compile(r"[^\s@,;<>\"()\[\]:\\]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server to hand messages to.

    Attributes:
        host: Its name or address.
        port: Its port: 25 for smtp, 465 for smtps where the URL names none.
        tls: `smtps` for TLS from the first byte, `starttls` for a plain beginning that must turn into TLS, `none`.
        user: Who to log in as; empty for nobody.
        password: In clear; never shown.
        ca_cert: File with the certificates to trust instead of the system's; empty for the system's.
    """

    host: str
    port: int
    tls: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_cert: str = ""


def smtp_server(url: str) -> SmtpServer:
    """The server that a URL names: `smtp://user:password@host:587?starttls=required`, `smtps://…`, `smtp://host`.

    With a user, STARTTLS is required unless the server is this machine. It is either required or not used: taking it
    only where it is offered would give way to whoever stands between.

    Raises:
        ValueError: What is wrong with the URL, without quoting it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL; special characters in the password must be percent-encoded") from None
    if parts.scheme not in ("smtp", "smtps"):
        raise ValueError("must begin with smtp:// or smtps://, like smtp://user:password@host:587?starttls=required")
    if not parts.hostname or port == 0:
        raise ValueError("names no host: like smtp://user:password@host:587?starttls=required")
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError("must end after the port; special characters in the password must be percent-encoded")
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := sorted(set(options) - SMTP_OPTIONS):
        raise ValueError(f"has options nobody knows: {', '.join(unknown)}; known are {', '.join(sorted(SMTP_OPTIONS))}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("names a user without a password, or a password without a user")
    if not (user + password).isascii():
        raise ValueError("has a user or password that isn't ASCII, which logging in to a mail server can't carry")
    return SmtpServer(
        host=parts.hostname,
        port=port or (465 if parts.scheme == "smtps" else 25),
        tls=_tls(parts.scheme, options.get("starttls"), local=parts.hostname in LOOPBACK, login=bool(user)),
        user=user,
        password=password,
        ca_cert=options.get("ca_cert", ""),
    )


def _tls(scheme: str, starttls: str | None, *, local: bool, login: bool) -> str:
    if scheme == "smtps":
        if starttls is not None:
            raise ValueError("has starttls with smtps://, which is TLS from the first byte: leave it out")
        return "smtps"
    if starttls not in (None, "required", "never"):
        raise ValueError("has an option starttls that is neither required nor never")
    if starttls == "never" and login and not local:
        raise ValueError("would send the password in clear: starttls=never goes with a user only on this machine")
    required = starttls == "required" or (starttls is None and login and not local)
    return "starttls" if required else "none"


def web_url(url: str) -> str:
    """`url` itself, if it is one that HTTP can be spoken to.

    Raises:
        ValueError: What is wrong with the URL, without quoting it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password")
    if not url.isascii() or any(ch.isspace() for ch in url):
        raise ValueError("must be ASCII without blanks; percent-encode the rest")
    return url


def email_addresses(text: str) -> list[str]:
    """The addresses in a list separated by commas.

    Raises:
        ValueError: There are none, or one isn't an e-mail address.
    """
    addresses = [address.strip() for address in text.split(",") if address.strip()]
    if not addresses:
        raise ValueError("holds no address: like oncall@example.org, reports@example.org")
    for position, address in enumerate(addresses, 1):
        if not EMAIL.fullmatch(address) or not address.isascii():
            raise ValueError(
                f"holds no e-mail address at position {position}: like oncall@example.org, separated by commas"
            )
    return addresses
