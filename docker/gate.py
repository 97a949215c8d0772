"""The only way to the Docker engine: starts, shows and stops the containers of runs, and does nothing else.

Whoever reaches Docker's socket is root on the machine: a filter of paths alone would still let anybody create a
container that has the machine's disk. So what a new container may be is checked here, and what isn't allowed by name
is refused. Only containers that came through here can be looked at or stopped. Those that ended are removed after a
while. Nothing but Python's library is used.
"""

import http.client
import json
import os
import re
import socket
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

SOCKET = os.environ.get("GATE_DOCKER_SOCKET", "/var/run/docker.sock")
PORT = int(os.environ.get("GATE_PORT", "2375"))
IMAGE = os.environ.get("STACK_IMAGE", "")
NETWORK = os.environ.get("GATE_NETWORK", "bionicpro_platform")
# Settings to read, and the folder that the fleet's pages are written into.
BINDS = os.environ.get(
    "GATE_BINDS", "bionicpro_platform_config:/run/bionicpro:ro,bionicpro_platform_pages:/var/lib/bionicpro/pages"
).split(",")
KEPT = timedelta(hours=float(os.environ.get("GATE_KEEP_HOURS", "24")))
LABEL = "bionicpro.run"
GIGABYTE = 1 << 30
MAX_BODY = 1 << 20
SWEEP_SECONDS = 600

COMMANDS = (["dagster", "api", "execute_run"], ["dagster", "api", "resume_run"])
# What must be there, and how. Anything else must be absent, empty or off.
CONTAINER = {
    "Image": lambda v: v == IMAGE,
    "Cmd": lambda v: isinstance(v, list) and len(v) == 4 and v[:3] in COMMANDS,
    "HostConfig": lambda v: isinstance(v, dict),
    # Docker's own client leaves the level "EndpointsConfig" out, and the engine overlooks it.
    "NetworkingConfig": lambda v: v in (None, {}, {NETWORK: None}, {"EndpointsConfig": {NETWORK: None}}),
}  # fmt: skip
OPTIONAL = {
    "Env": lambda v: isinstance(v, list) and all(isinstance(e, str) for e in v),
    "Labels": lambda v: isinstance(v, dict),
    "Volumes": lambda v: v == {bind.split(":")[1]: {} for bind in BINDS},
    "AttachStdout": lambda v: v is True,
    "AttachStderr": lambda v: v is True,
    "StopTimeout": lambda v: isinstance(v, int) and 0 < v <= 600,
}
HOST = {
    "NetworkMode": lambda v: v == NETWORK,
    "Binds": lambda v: v == BINDS,
    "ReadonlyRootfs": lambda v: v is True,
    "CapDrop": lambda v: v == ["ALL"],
    "SecurityOpt": lambda v: v == ["no-new-privileges:true"],
    "Memory": lambda v: isinstance(v, int) and 0 < v <= 64 * GIGABYTE,
    "NanoCpus": lambda v: isinstance(v, int) and 0 < v <= 64_000_000_000,
    "PidsLimit": lambda v: isinstance(v, int) and 0 < v <= 4096,
    "LogConfig": lambda v: v["Type"] in ("json-file", "local") and set(v["Config"]) >= {"max-size", "max-file"},
}
HOST_OPTIONAL = {
    "Init": lambda v: v is True,
    "Tmpfs": lambda v: set(v) == {"/tmp"},  # noqa: S108 - a folder inside the container
}


def refusals(body: Any) -> list[str]:
    """Why this container may not be created; nothing if it may."""
    if not isinstance(body, dict):
        return ["the request isn't an object"]
    found = _check("", body, CONTAINER, OPTIONAL)
    if isinstance(body.get("HostConfig"), dict):
        found += _check("HostConfig.", body["HostConfig"], HOST, HOST_OPTIONAL)
    return found


def _check(prefix: str, values: dict[str, Any], required: dict[str, Any], optional: dict[str, Any]) -> list[str]:
    found = [
        f"{prefix}{name} isn't what a run has" for name, rule in required.items() if not _holds(rule, values.get(name))
    ]
    for name, value in values.items():
        if name in required or not value:
            continue
        if name not in optional or not _holds(optional[name], value):
            found.append(f"{prefix}{name} isn't for a run to have")
    return found


def _holds(rule: Any, value: Any) -> bool:
    try:
        return bool(rule(value))
    except (KeyError, TypeError):
        return False


class Engine(http.client.HTTPConnection):
    """A connection to the engine's socket."""

    def __init__(self, timeout: float = 150) -> None:
        super().__init__("docker", timeout=timeout)

    def connect(self) -> None:
        """Connects to the socket in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of the engine's answer."""
    connection = Engine()
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def is_a_run(container: str) -> bool:
    """Whether the container came through here."""
    status, answer = ask("GET", f"/containers/{container}/json")
    return status == 200 and json.loads(answer)["Config"]["Labels"].get(LABEL) == "true"


class Gate(BaseHTTPRequestHandler):
    """One client's requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Versions, and run containers."""
        path = urlsplit(self.path).path
        if path == "/healthz":
            status, _ = ask("GET", "/_ping")
            self.answer(200 if status == 200 else 502, b"{}")
        elif re.fullmatch(r"(/v1\.\d+)?/(_ping|version)", path):
            self.answer(*ask("GET", path))
        elif found := re.fullmatch(r"(/v1\.\d+)?/containers/([\w.-]+)/json", path):
            self.about(found[2], "GET")
        else:
            self.refuse()

    def do_POST(self) -> None:
        """Creating, starting and stopping run containers."""
        path = urlsplit(self.path).path
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
        if re.fullmatch(r"(/v1\.\d+)?/containers/create", path):
            self.create(path, body)
        elif found := re.fullmatch(r"(/v1\.\d+)?/containers/([\w.-]+)/(start|stop)", path):
            self.about(found[2], "POST")
        else:
            self.refuse()

    def create(self, path: str, body: bytes) -> None:
        """A new run container, with this gate's label."""
        try:
            wanted = json.loads(body)
        except ValueError:
            wanted = None
        if found := refusals(wanted):
            self.refuse("; ".join(found))
            return
        wanted["Labels"] = {**(wanted.get("Labels") or {}), LABEL: "true"}
        # Without the query: it could name a container of somebody else's, or another platform.
        self.answer(*ask("POST", path, json.dumps(wanted).encode()))

    def about(self, container: str, method: str) -> None:
        """A request about one container."""
        if is_a_run(container):
            self.answer(*ask(method, self.path))
        else:
            self.answer(404, b'{"message": "No such container of a run."}')

    def refuse(self, why: str = "not for runs") -> None:
        """403, and a line in the log."""
        print(f"refused: {self.command} {self.path}: {why}", file=sys.stderr, flush=True)  # noqa: T201
        self.close_connection = True
        self.answer(403, json.dumps({"message": f"The gate refuses it: {why}"}).encode())

    def answer(self, status: int, body: bytes) -> None:
        """One answer of JSON, or without a body where the engine has none."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Refusals are logged, and nothing else."""

    def __getattr__(self, name: str) -> Any:
        """Every other method of HTTP."""
        if name.startswith("do_"):
            return self.refuse
        raise AttributeError(name)


def remove_ended(now: datetime) -> list[str]:
    """Remove run containers that ended longer ago than they are kept; their numbers."""
    filters = quote(json.dumps({"label": [f"{LABEL}=true"], "status": ["exited", "dead", "created"]}))
    status, answer = ask("GET", f"/containers/json?all=true&filters={filters}")
    removed = []
    for container in json.loads(answer) if status == 200 else []:
        _, details = ask("GET", f"/containers/{container['Id']}/json")
        described = json.loads(details)
        ended = max(_instant(described["State"]["FinishedAt"]), _instant(described["Created"]))
        if ended < now - KEPT and ask("DELETE", f"/containers/{container['Id']}")[0] == 204:
            removed.append(container["Id"])
    return removed


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def sweep_for_ever() -> None:
    """Removes what has ended, now and then."""
    while True:
        try:
            if removed := remove_ended(datetime.now(UTC)):
                print(f"removed {len(removed)} containers of ended runs", flush=True)  # noqa: T201
        except (OSError, ValueError, KeyError) as error:
            print(f"ended runs weren't removed: {error}", file=sys.stderr, flush=True)  # noqa: T201
        time.sleep(SWEEP_SECONDS)


if __name__ == "__main__":
    if not IMAGE:
        sys.exit("STACK_IMAGE isn't set: the one image that runs may have")
    threading.Thread(target=sweep_for_ever, daemon=True).start()
    # All addresses of a network that only the daemon and the operators' web server are in.
    ThreadingHTTPServer(("0.0.0.0", PORT), Gate).serve_forever()  # noqa: S104
