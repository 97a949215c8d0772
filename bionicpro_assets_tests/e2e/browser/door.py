"""The door of docker/nginx as it is shipped, with the real nginx, in front of Dagster's real web server."""

import base64
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHANGE = "mutation { setAutoMaterializePaused(paused: true) }"
STATE = "{ instance { autoMaterializePaused } }"
# Debian has it where only root looks.
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
# Who may say whose request it passes on: config/proxy/trusted_proxies.
TRUSTED = "127.0.0.2"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    text: str


@dataclass
class Door:
    """Both doors, and what is behind them.

    Attributes:
        folder: Configuration, passwords, pages and logs.
        port: Of the operators' door.
        viewers: Port of the viewers' door.
        behind: Port of the operators' web server itself.
        addresses: The next client's address; each test has clients of its own, whom no other has got locked out.
    """

    folder: Path
    port: int
    viewers: int
    behind: int
    addresses: Iterator[int] = field(default_factory=lambda: iter(range(10, 250)))

    def address(self) -> str:
        """An address that nobody has come from yet."""
        return f"127.0.0.{next(self.addresses)}"

    def ask(self, method: str, target: str, body: bytes | None = None, *, source: str = "127.0.0.1",
            user: str | None = "operator:right", port: int | None = None, **headers: str) -> Answer:  # fmt: skip
        """One request, by default as the operator; underscores in names of headers stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60, source_address=(source, 0))
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            told["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        try:
            connection.request(method, target, body, told)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def graphql(self, query: str, **options: Any) -> Answer:
        """A question as the UI asks it."""
        body = json.dumps({"query": query}).encode()
        return self.ask("POST", "/graphql", body, Content_Type="application/json", **options)

    def changed(self) -> bool:
        """Whether the change was made; asked past the door."""
        answer = self.graphql(STATE, port=self.behind, user=None)
        return bool(json.loads(answer.text)["data"]["instance"]["autoMaterializePaused"])

    def undo(self) -> None:
        """As before the change."""
        self.graphql(CHANGE.replace("true", "false"), port=self.behind, user=None)

    def audit(self) -> list[dict[str, Any]]:
        """The lines about changes, so far; not those of `undo`."""
        lines = [json.loads(x) for x in (self.folder / "web.log").read_text().splitlines() if x.startswith('{"audit"')]
        return [line for line in lines if line["on"] != {"paused": False}]


@contextmanager
def door(folder: Path) -> Iterator[Door]:
    """Doors, web servers, two users and a page; all of it is gone at the end."""
    if NGINX is None:
        pytest.fail("these tests need nginx; on Debian: apt-get install nginx-light")
    ports = free_ports(7)
    for name in ("nginx", "nginx/tmp", "nginx/pages", "home"):
        (folder / name).mkdir()
    (folder / "nginx/operators").write_text("operator:{PLAIN}right\nsecond:{PLAIN}right\n")
    (folder / "nginx/viewers").write_text("viewer:{PLAIN}right\n")
    (folder / "nginx/trusted_proxies").write_text(f"set_real_ip_from {TRUSTED};\n")
    (folder / "nginx/pages/fleet-latest-en.html").write_text("<h1>the fleet</h1>")
    (folder / "home/dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    placed = {
        "/etc/nginx/": f"{folder}/nginx/", "/run/secrets/": f"{folder}/nginx/", "/tmp/": f"{folder}/nginx/tmp/",
        "/dev/stdout": f"{folder}/access.log", "/dev/stderr": f"{folder}/error.log",
        "root /pages;": f"root {folder}/nginx/pages;",
        "from=/pages;": f"from={folder}/nginx/pages;",
        "listen 8080;": f"listen 127.0.0.1:{ports[0]};", "listen 8081;": f"listen 127.0.0.1:{ports[1]};",
        "127.0.0.1:8082": f"127.0.0.1:{ports[2]}", "127.0.0.1:8083": f"127.0.0.1:{ports[3]}",
        "127.0.0.1:8084": f"127.0.0.1:{ports[4]}",
        "http://operators_web:3000": f"http://127.0.0.1:{ports[5]}",
        "http://viewers_web:3000": f"http://127.0.0.1:{ports[6]}",
    }  # fmt: skip
    for file in (ROOT / "docker/nginx").glob("*.conf"):
        # All at once: the test's own folder may have /tmp/ in its name.
        text = re.sub("|".join(map(re.escape, placed)), lambda found: placed[found[0]], file.read_text())
        (folder / "nginx" / file.name).write_text(text)
    web = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "bionicpro_assets.webserver",
        "--empty-workspace",
        "--host",
        "127.0.0.1",
    ]
    # Else nginx's workers would be somebody who can't read the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    commands = {
        "web.log": [*web, "--port", str(ports[5])],
        "viewers.log": [*web, "--read-only", "--port", str(ports[6])],
        "nginx.log": [NGINX, "-c", f"{folder}/nginx/nginx.conf", "-g", f"daemon off; {user}"],
    }
    environment = {k: v for k, v in os.environ.items() if not re.match("BIONICPRO_|ETL_|DAGSTER_", k)}
    environment |= {"DAGSTER_HOME": f"{folder}/home"}
    processes = []
    try:
        # One after another: the first of the web servers makes Dagster's tables.
        for (log, command), port in zip(commands.items(), (ports[5], ports[6], ports[0]), strict=True):
            with (folder / log).open("wb") as output:
                processes.append(subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output))
            wait_for(port, processes, folder)
        yield Door(folder, ports[0], ports[1], ports[5])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for(port: int, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        logs = "".join(f.read_text() for f in folder.glob("*.log"))
        assert all(p.poll() is None for p in processes), logs
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, logs
            time.sleep(0.1)
        else:
            return
