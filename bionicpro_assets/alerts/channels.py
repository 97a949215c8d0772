"""The ways out: e-mail and webhook. Each sends one message, or says in a sentence why not."""

import json
import smtplib
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import urlsplit

from bionicpro_assets.alerts.addresses import SmtpServer
from bionicpro_assets.alerts.problem import Message
from bionicpro_assets.errors import PlatformError

# A tick of a sensor has a minute; two channels that hang must leave time for the rest.
SECONDS = 15.0


class DeliveryError(PlatformError):
    """A message couldn't be handed over.

    Attributes:
        refused: It is this message that is refused, while the next one may be taken.
    """

    retryable = True

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Channel(Protocol):
    """A way out.

    Attributes:
        name: Short and stable: what is still to be sent where is kept under it.
    """

    @property
    def name(self) -> str:
        """Short and stable."""
        ...

    def send(self, message: Message) -> str:
        """Hand the message over; returns what a person should know of it all the same, mostly nothing.

        Raises:
            DeliveryError: It wasn't taken.
        """
        ...


class _Deadline:
    """Mixed into smtplib's classes: the time limit is for the whole conversation, not for each line of it."""

    sock: socket.socket | None
    deadline = 0.0

    def getreply(self) -> tuple[int, bytes]:
        if self.sock is not None and self.deadline:
            self.sock.settimeout(max(0.05, self.deadline - time.monotonic()))
        reply: tuple[int, bytes] = super().getreply()  # type: ignore[misc]
        return reply


class _Smtp(_Deadline, smtplib.SMTP):
    pass


class _SmtpTls(_Deadline, smtplib.SMTP_SSL):
    pass


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """E-mail through a mail server."""

    server: SmtpServer
    sender: str
    recipients: Sequence[str]
    seconds: float = SECONDS
    name: str = "e-mail"

    def send(self, message: Message) -> str:
        """Hand the message to the mail server; returns which addressees it refused, if not all of them."""
        where = f"The mail server {self.server.host}:{self.server.port}"
        accepted = False
        try:
            with self._connected() as smtp:
                refused = smtp.send_message(self._as_email(message), self.sender, list(self.recipients))
                # From here on it is sent: what goes wrong in saying goodbye must not send it again.
                accepted = True
        except (OSError, smtplib.SMTPException) as error:
            if not accepted:
                raise _in_words(where, error) from None
        return f"{where} refuses these addressees: {', '.join(sorted(refused))}." if refused else ""

    def _connected(self) -> smtplib.SMTP:
        smtp: _Smtp | _SmtpTls
        if self.server.tls == "smtps":
            smtp = _SmtpTls(timeout=self.seconds, context=self._tls())
        else:
            smtp = _Smtp(timeout=self.seconds)
        smtp.deadline = time.monotonic() + self.seconds
        # Beside the constructor, which would connect before the limit is known. smtplib checks the certificate
        # against this name.
        smtp._host = self.server.host  # type: ignore[union-attr]
        try:
            code, _ = smtp.connect(self.server.host, self.server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, "")
            if self.server.tls == "starttls":
                smtp.starttls(context=self._tls())
            if self.server.user:
                smtp.login(self.server.user, self.server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.server.ca_cert or None)

    def _as_email(self, message: Message) -> EmailMessage:
        domain = self.sender.rpartition("@")[2]
        # Python folds a subject of two scripts with one blank too many; the standard's limit is 998.
        email = EmailMessage(policy=policy.default.clone(max_line_length=900))
        email["Subject"] = message.subject
        email["From"] = self.sender
        email["To"] = ", ".join(self.recipients)
        email["Date"] = format_datetime(datetime.now(UTC))
        email["Message-ID"] = f"<{message.id}@{domain}>"
        if message.reply_to:
            # Mail programs show the end under the beginning.
            email["In-Reply-To"] = email["References"] = f"<{message.reply_to}@{domain}>"
        # No answers from people who are away (RFC 3834).
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(message.body)
        return email


def _in_words(where: str, error: OSError | smtplib.SMTPException) -> DeliveryError:
    # What a server answers may repeat what it was told, so its own words are quoted only where no secret was said.
    match error:
        case smtplib.SMTPAuthenticationError():
            return DeliveryError(
                f"{where} refuses the user or password ({error.smtp_code}). Check them in BIONICPRO_SMTP_URL."
            )
        case smtplib.SMTPNotSupportedError():
            return DeliveryError(
                f"{where} doesn't offer what BIONICPRO_SMTP_URL asks for: STARTTLS, or logging in. "
                "Look at its port, and at starttls."
            )
        case smtplib.SMTPRecipientsRefused():
            codes = ", ".join(f"{address} ({code})" for address, (code, _) in sorted(error.recipients.items()))
            return DeliveryError(
                f"{where} refuses all addressees: {codes}. Check BIONICPRO_ALERT_EMAIL_TO, and whether the server "
                "relays for this machine."
            )
        case smtplib.SMTPSenderRefused():
            return DeliveryError(
                f"{where} refuses the sender ({error.smtp_code}). Check BIONICPRO_ALERT_EMAIL_FROM, and whether it "
                "wants a user and password."
            )
        case smtplib.SMTPDataError():
            return DeliveryError(f"{where} refuses the message ({error.smtp_code}).", refused=error.smtp_code >= 500)
        case smtplib.SMTPConnectError() | smtplib.SMTPResponseException():
            return DeliveryError(f"{where} answers {error.smtp_code} and takes nothing now.")
        case ssl.SSLCertVerificationError():
            return DeliveryError(
                f"{where}: its certificate isn't trusted ({error.verify_message}). Name the certificate of its "
                "authority in BIONICPRO_SMTP_URL, with ?ca_cert=/path."
            )
        case ssl.SSLError():
            return DeliveryError(f"{where}: TLS fails ({error.reason}). Look at the port: smtps is mostly 465.")
        case TimeoutError() | smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return DeliveryError(f"{where} didn't answer in time.")
        case smtplib.SMTPException():
            return DeliveryError(f"{where} broke off the conversation.")
        case _:
            return DeliveryError(f"{where} can't be reached: {error.strerror or type(error).__name__}.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would become a GET of something else, and look like a success."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """A URL that takes `{"text": …}`: Slack's incoming webhooks, Mattermost's, Rocket.Chat's and others'."""

    url: str = field(repr=False)
    seconds: float = SECONDS
    name: str = "webhook"

    def send(self, message: Message) -> str:
        """Post the message."""
        parts = urlsplit(self.url)
        # The rest of the URL is what lets one post there, so only its beginning may be shown.
        where = f"The webhook {parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        request = urllib.request.Request(  # noqa: S310 - the settings let http and https through, nothing else
            self.url,
            data=json.dumps({"text": _slack(f"*{message.subject}*\n{message.body}".rstrip())}).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "bionicpro_assets"},
            method="POST",
        )
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self.seconds):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            raise _http_in_words(where, error.code) from None
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise DeliveryError(_unreachable(where, reason)) from None


def _slack(text: str) -> str:
    """Slack reads these three characters as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _http_in_words(where: str, status: int) -> DeliveryError:
    if status in (401, 403, 404, 410):
        return DeliveryError(
            f"{where} doesn't know this address any more ({status}). Check BIONICPRO_ALERT_WEBHOOK_URL."
        )
    if 300 <= status < 400:
        return DeliveryError(f"{where} redirects ({status}). Put the final address into BIONICPRO_ALERT_WEBHOOK_URL.")
    return DeliveryError(f"{where} answers {status}.", refused=status in (400, 413, 422))


def _unreachable(where: str, reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"{where}: its certificate isn't trusted ({reason.verify_message})."
    if isinstance(reason, TimeoutError):
        return f"{where} didn't answer in time."
    told = reason.strerror if isinstance(reason, OSError) else None
    return f"{where} can't be reached: {told or type(reason).__name__}."
