"""E-mail: one message through a mail server, or a sentence why not."""

import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from bionicpro_assets.alerts.addresses import SmtpServer
from bionicpro_assets.alerts.channels import SECONDS, DeliveryError
from bionicpro_assets.alerts.problem import Message


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
