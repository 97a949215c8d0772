"""A wire to break: an HTTP proxy in front of the gateway that misbehaves at the requests a test names.

with FaultProxy(port_of_the_gateway) as proxy:
    proxy.on("INSERT INTO storage.publications", lost_answer())
"""

import contextlib
import http.client
import os
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote_plus

from bionicpro_assets_tests.gateway.server import ServerError, read_body

# What servers say.
ERRORS = {
    241: "(total) memory limit exceeded: would use 7.21 GiB (attempt to allocate chunk of 4.00 MiB), current RSS: "
    "7.20 GiB, maximum: 7.20 GiB. (MEMORY_LIMIT_EXCEEDED)",
    243: "Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
    252: "Too many parts (3000). Merges are processing significantly slower than inserts. (TOO_MANY_PARTS)",
    497: "etl: Not enough privileges. To execute this query, it's necessary to have the grant INSERT ON storage.*. "
    "(ACCESS_DENIED)",
    516: "etl: Authentication failed: password is incorrect, or there is no user with such name. "
    "(AUTHENTICATION_FAILED)",
}


class Exchange(BaseHTTPRequestHandler):
    """One client's connection, and the request that is on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "Listener"

    def setup(self) -> None:
        super().setup()
        self.server.proxy.connections.append(self)

    def do_POST(self) -> None:
        self.body: bytes | None = None
        self.server.proxy.handle(self)

    def do_GET(self) -> None:
        self.do_POST()

    @property
    def text(self) -> str:
        """What faults are matched with: the URL, and the beginning of the body where the URL has no statement."""
        url = unquote_plus(self.path)
        return url if re.search("[?&]query=", self.path) else f"{url}\n{self.read()[:4096].decode(errors='replace')}"

    def read(self) -> bytes:
        """The request's body."""
        if self.body is None:
            self.body = read_body(self)
        return self.body

    def forward(self) -> tuple[int, dict[str, str], bytes]:
        """Send the request on; status, headers and body of the answer."""
        with self._upstream(len(self.read())) as server:
            server.endheaders(self.read())
            answer = server.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def forward_part(self, size: int) -> None:
        """Send the request on up to `size` bytes of its body, and break off."""
        part = self.rfile.read1(size) if self.body is None else self.body[:size]
        with self._upstream(len(part) + 1) as server:
            server.endheaders(part)

    @contextlib.contextmanager
    def _upstream(self, length: int) -> Iterator[http.client.HTTPConnection]:
        server = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("transfer-encoding", "content-length"):
                    server.putheader(name, value)
            server.putheader("Content-Length", str(length))
            yield server
        finally:
            server.close()

    def answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()

    def reset(self) -> None:
        """End the connection at once, as the kernel does for a process that crashed: with RST."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read what the client sees."""


Fault = Callable[[Exchange], None]


def reset(after: int = 64) -> Fault:
    """The connection breaks when `after` bytes of the body have passed; the server never has the whole request."""

    def act(exchange: Exchange) -> None:
        exchange.forward_part(after)
        exchange.reset()

    return act


def lost_answer() -> Fault:
    """The server does what it is asked; its answer never arrives."""

    def act(exchange: Exchange) -> None:
        exchange.forward()
        exchange.reset()

    return act


def cut_answer() -> Fault:
    """The connection breaks in the middle of the answer."""

    def act(exchange: Exchange) -> None:
        exchange.answer(*exchange.forward(), cut=True)
        exchange.close_connection = True

    return act


def slow(seconds: float) -> Fault:
    """The request reaches the server late, and is carried out whether or not somebody still waits."""

    def act(exchange: Exchange) -> None:
        exchange.read()
        exchange.server.proxy.ending.wait(seconds)
        exchange.answer(*exchange.forward())

    return act


def unavailable() -> Fault:
    """A load balancer without a server behind it."""

    def act(exchange: Exchange) -> None:
        exchange.read()
        exchange.answer(503, {"Retry-After": "1"}, b"no server is available to handle this request\n")

    return act


def error(code: int) -> Fault:
    """The server refuses, with this error code."""

    def act(exchange: Exchange) -> None:
        exchange.read()
        refusal = ServerError(code, ERRORS[code])
        exchange.answer(refusal.status, refusal.headers, refusal.body)

    return act


def gone(seconds: float | None = None) -> Fault:
    """The server crashes: its port is closed, and opens again after so many seconds, if any."""

    def act(exchange: Exchange) -> None:
        exchange.server.proxy.close_port()
        exchange.reset()
        if seconds is not None:
            threading.Timer(seconds, exchange.server.proxy.open_port).start()

    return act


@dataclass
class Rule:
    """A fault at the requests number `first` to `last` that have `text` in them."""

    text: str
    fault: Fault
    first: int
    last: int
    seen: int = 0

    def due(self, text: str) -> bool:
        matches = self.text in text
        self.seen += matches
        return matches and self.first <= self.seen <= self.last


class Listener(ThreadingHTTPServer):
    """The proxy's open port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: "FaultProxy", port: int) -> None:
        super().__init__(("127.0.0.1", port), Exchange)
        self.proxy = proxy
        if proxy.tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*proxy.tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are what this is for; whatever else goes wrong, the client notices."""


class FaultProxy:
    """What a test has between the client and the gateway; ends with its `with`.

    Attributes:
        port: Where clients connect.
        requests: Of every request so far, the text that faults are matched with.
        connections: Every connection so far.
        rules: The faults arranged for.
    """

    def __init__(self, upstream: int, tls: tuple[Path, Path] | None = None) -> None:
        self.upstream, self.tls = upstream, tls
        self.requests: list[str] = []
        self.connections: list[Exchange] = []
        self.ending = threading.Event()
        self.rules: list[Rule] = []
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._busy = 0
        self.port = 0
        self.open_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.settle()
        self.close_port()

    def on(self, text: str, fault: Fault, *, first: int = 1, last: int | None = None) -> None:
        """Arrange for a fault at the requests number `first` to `last`, or only `first`, that have this text."""
        self.rules.append(Rule(text, fault, first, last or first))

    def count(self, text: str) -> int:
        """How many requests had this text."""
        return sum(text in request for request in self.requests)

    def settle(self) -> None:
        """Wait until no request is under way."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, timeout=10)

    def handle(self, exchange: Exchange) -> None:
        """Forward one request, or let the fault that is due have it."""
        with self._idle:
            self._busy += 1
        try:
            text = exchange.text
            with self._lock:
                self.requests.append(text)
                due = [rule.fault for rule in self.rules if rule.due(text)]
            if due:
                due[0](exchange)
            else:
                exchange.answer(*exchange.forward())
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def open_port(self) -> None:
        """Listen, on the same port as before."""
        if not self.ending.is_set():
            self._listener = Listener(self, self.port)
            self.port = self._listener.server_port
            threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()

    def close_port(self) -> None:
        """Refuse connections and break those that are open."""
        self._listener.shutdown()
        self._listener.server_close()
        for exchange in self.connections:
            with contextlib.suppress(OSError):
                exchange.connection.shutdown(socket.SHUT_RDWR)
