"""A ClickHouse server as far as its HTTP protocol goes, in front of the engine embedded in this process.

    python -m bionicpro_assets_tests.gateway.server --path FOLDER --port 0

The first line it prints is its port. It knows what clickhouse-connect and curl use: queries in the URL, in the body
or in a form; parameters, settings and a database; INSERTs of any input format, compressed or not; one password; TLS.
A user's name says what its profile sets: `etl;final=1;limit=2`, in this order; `readonly` last.

Where it differs from a server: an INSERT is read whole before it begins, answers are neither compressed nor
streamed, there are no sessions, and every user has the one password.
"""

import argparse
import base64
import os
import re
import ssl
import sys
import tempfile
import threading
from contextlib import closing
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from urllib.parse import parse_qsl, urlsplit

import chdb
from chdb._exceptions import ChdbError

# Parameters that aren't settings of the engine: a server's transport takes them.
TRANSPORT = {
    "buffer_size", "client_protocol_version", "close_session", "compress", "database", "decompress", "default_format",
    "password", "query", "query_id", "quota_key", "role", "session_check", "session_id", "session_timeout",
    "stacktrace", "user", "wait_end_of_query",
}  # fmt: skip
DECOMPRESSORS = {"lz4": "lz4.frame", "zstd": "backports.zstd", "gzip": "gzip", "deflate": "zlib"}
# The HTTP status that a server sends an error code with, where it isn't 500.
STATUS = {
    46: 404, 47: 404, 48: 501, 50: 404, 60: 404, 62: 400, 73: 404, 81: 404, 115: 404, 159: 408, 192: 403, 193: 403,
    194: 401, 209: 503, 497: 403, 516: 403,
}  # fmt: skip
# INSERT INTO name (columns) FORMAT Name, and the data from the next line on.
INSERT = re.compile(rb"\s*(INSERT\s+INTO\s+[^\s(]+\s*(?:\([^)]*\))?)\s*FORMAT\s+(\w+)[ \t]*\n", re.IGNORECASE)


class ServerError(Exception):
    """What a ClickHouse server answers in place of rows; `text` ends with the code's name in parentheses."""

    def __init__(self, code: int, text: str) -> None:
        self.status = STATUS.get(code, 500)
        self.headers = {"X-ClickHouse-Exception-Code": str(code)}
        self.body = f"Code: {code}. DB::Exception: {text} (version {chdb.engine_version} (official build))\n".encode()


class Handler(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    server: "Gateway"

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self.answer(200, {}, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        body = read_body(self)
        try:
            parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            profile = self.authenticate(parameters)
            if encoding := self.headers.get("Content-Encoding"):
                body = import_module(DECOMPRESSORS[encoding]).decompress(body)
            if self.headers.get_content_type() == "multipart/form-data":
                parameters |= form_fields(self.headers["Content-Type"], body)
                body = b""
            statement = parameters.get("query", "").encode() + (b"\n" if "query" in parameters else b"") + body
            self.answer(200, *self.execute(statement, parameters, profile))
        except ServerError as error:
            self.answer(error.status, error.headers, error.body)

    def authenticate(self, parameters: dict[str, str]) -> dict[str, str]:
        """The settings of the user's profile."""
        user = self.headers.get("X-ClickHouse-User") or parameters.get("user", "default")
        password = self.headers.get("X-ClickHouse-Key") or parameters.get("password")
        if basic := self.headers.get("Authorization", "").removeprefix("Basic "):
            user, _, password = base64.b64decode(basic).decode().partition(":")
        if self.server.password is None or password == self.server.password:
            return dict(parse_qsl(user.partition(";")[2], separator=";", keep_blank_values=True))
        if password is None:
            raise ServerError(194, f"{user}: Authentication failed: password is required. (REQUIRED_PASSWORD)")
        wrong = "Authentication failed: password is incorrect, or there is no user with such name."
        raise ServerError(516, f"{user}: {wrong} (AUTHENTICATION_FAILED)")

    def execute(
        self, statement: bytes, parameters: dict[str, str], profile: dict[str, str]
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of the answer."""
        values = {k.removeprefix("param_"): v for k, v in parameters.items() if k.startswith("param_")}
        settings = {k: v for k, v in parameters.items() if k not in TRANSPORT and not k.startswith("param_")}
        if self.command == "GET":
            settings.setdefault("readonly", "2")
        output = parameters.get("default_format", "TabSeparated")
        # A handle of its own for every request: what is SET here ends with it, as it does on a server.
        with closing(chdb.connect(self.server.path)) as engine, tempfile.NamedTemporaryFile() as data:
            try:
                if "database" in parameters:
                    engine.query(f"USE {parameters['database']}")
                for of_whom in filter(None, (profile, settings)):
                    engine.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in of_whom.items()))
                if insert := INSERT.match(statement):
                    data.write(statement[insert.end() :])
                    data.flush()
                    statement = insert[1] + f" FROM INFILE {quoted(data.name)} FORMAT ".encode() + insert[2]
                result = engine.query(statement.decode(), output, params=values)
            except ChdbError as error:
                code, text = re.findall(r"Code: (\d+)\. DB::Exception: (.*)", str(error), re.DOTALL)[0]
                raise ServerError(int(code), text) from error
            done = "written" if insert else "read"
            headers = {
                "X-ClickHouse-Query-Id": parameters.get("query_id", ""),
                "X-ClickHouse-Timezone": self.server.timezone,
                "X-ClickHouse-Summary": f'{{"{done}_rows":"{result.rows_read()}","{done}_bytes":"{result.bytes_read()}"}}',
            }
            return headers, result.bytes() or b""

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read what the client sees."""


def read_body(request: BaseHTTPRequestHandler) -> bytes:
    """The whole body of a request.

    Raises:
        ConnectionError: The client went away before its end; nothing of it may reach the engine.
    """

    def exactly(size: int) -> bytes:
        data = request.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the client went away within a request")
        return data

    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return exactly(int(request.headers.get("Content-Length", 0)))
    chunks = []
    while size := int(request.rfile.readline() or b"7fffffff", 16):
        chunks.append(exactly(size))
        exactly(2)
    exactly(2)
    return b"".join(chunks)


def form_fields(content_type: str, body: bytes) -> dict[str, str]:
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = {str(p.get_param("name", header="Content-Disposition")): p.get_payload(decode=True) for p in form.walk()}
    return {name: value.decode() for name, value in parts.items() if isinstance(value, bytes)}


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Gateway(ThreadingHTTPServer):
    """The listening server."""

    request_queue_size = 128

    def __init__(self, path: str, address: tuple[str, int], password: str | None, tls: list[str] | None) -> None:
        super().__init__(address, Handler)
        self.path, self.password = os.path.realpath(path), password
        self.root = chdb.connect(self.path)  # keeps the engine open between requests
        self.timezone = self.root.query("SELECT timezone()", "TSVRaw").bytes().decode().strip()
        if tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*tls)
            # The handshake happens at the first read, in the connection's own thread.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error of the server's."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", required=True, help="folder of the engine")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    parser.add_argument("--password", help="of every user; without it, anything goes")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak HTTPS")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end with the process that started it")
    arguments = parser.parse_args()
    gateway = Gateway(arguments.path, (arguments.host, arguments.port), arguments.password, arguments.tls)
    print(gateway.server_port, flush=True)  # noqa: T201
    if not arguments.until_stdin_ends:
        gateway.serve_forever()
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    sys.stdin.read()
    gateway.root.close()


if __name__ == "__main__":
    main()
