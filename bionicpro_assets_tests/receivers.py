"""What alerts are sent to in tests: a real SMTP server and a real HTTP server, on this machine."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class Mailbox:
    """A mail server with what it took.

    Attributes:
        answers: What it says instead of taking a message, or an addressee, one after another; None takes it.
    """

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str], bool]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    password: str = ""

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.messages]

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if address in self.refused:
            return "550 5.1.1 nobody here of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.answers and (answer := self.answers.pop(0)):
            return answer
        self.messages.append(message_from_bytes(envelope.content, policy=default))
        self.envelopes.append(
            (envelope.mail_from, envelope.rcpt_tos, server.transport.get_extra_info("ssl_object") is not None)
        )
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, data):
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == self.password, handled=False)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # It tries itself out, and port 0 is the free port that the system chose.
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp_server(
    box: Mailbox, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> Iterator[Mailbox]:
    """`box` at a free port of 127.0.0.1, or at the one it has had."""
    controller = _Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        auth_required=bool(box.password),
        auth_require_tls=starttls is not None,
        authenticator=box.authenticate if box.password else None,
    )
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Hook:
    """A webhook with what it took.

    Attributes:
        statuses: What it answers, one after another; 200 when there are none left.
    """

    port: int = 0
    bodies: list[dict] = field(default_factory=list)
    tries: int = 0
    statuses: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]

    @property
    def subjects(self) -> list[str]:
        return [text.splitlines()[0].strip("*") for text in self.texts]


@contextmanager
def webhook(hook: Hook) -> Iterator[Hook]:
    """`hook` at a free port of 127.0.0.1, or at the one it has had."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.tries += 1
            status = hook.statuses.pop(0) if hook.statuses else 200
            if status == 200:
                assert self.headers["Content-Type"].startswith("application/json")
                hook.bodies.append(json.loads(body))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{hook.port}/elsewhere")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", hook.port), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def server_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for a server that is 127.0.0.1, and the file with the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return context, folder / "ca.pem"
