"""A small Docker engine at a socket, which says what reached it."""

import json
import socketserver
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
# The container that is made.
NEW = "a" * 64


class RecordedEngine(socketserver.ThreadingUnixStreamServer):
    """Docker's API as far as the gate uses it; remembers what reached it."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.containers: dict[str, dict[str, Any]] = {}
        super().__init__(path, EngineHandler)

    def add(self, number: str, state: str = "running", labels: Any = None, finished: str = "0001-01-01T00:00:00Z",
            created: datetime = NOW - timedelta(days=3)) -> None:  # fmt: skip
        """A container of a run, unless its labels say otherwise."""
        self.containers[number] = {
            "Id": number, "Created": f"{created.isoformat()[:19]}Z", "Config": {"Labels": labels or {"bionicpro.run": "true"}},
            "State": {"Status": state, "FinishedAt": finished},
        }  # fmt: skip

    def asked(self, method: str) -> list[str]:
        return [path for m, path, _ in self.seen if m == method]

    def created(self) -> list[Any]:
        return [body for m, path, body in self.seen if m == "POST" and path.startswith("/v1.44/containers/create")]


class EngineHandler(BaseHTTPRequestHandler):
    server: RecordedEngine

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, json.loads(body) if body else None))
        path = self.path.partition("?")[0].removeprefix("/v1.44")
        containers = self.server.containers
        if path == "/version":
            self.say(200, {"ApiVersion": "1.45"})
        elif path == "/containers/create":
            self.server.add(NEW, "created", self.server.seen[-1][2]["Labels"])
            self.say(201, {"Id": NEW, "Warnings": []})
        elif path == "/containers/json":
            self.say(200, [{"Id": n, "State": c["State"]["Status"],
                            "Created": int(datetime.fromisoformat(c["Created"]).timestamp())}
                           for n, c in containers.items()])  # fmt: skip
        elif path.endswith("/json"):
            found = next((c for n, c in containers.items() if n.startswith(path.split("/")[-2])), None)
            self.say(200, found) if found else self.say(404, {"message": "no such container"})
        elif self.command == "DELETE":
            containers.pop(path.split("/")[-1])
            self.say(204, None)
        else:
            self.say(200 if path == "/_ping" else 204, None)

    do_POST = do_DELETE = do_GET  # noqa: N815

    def say(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
