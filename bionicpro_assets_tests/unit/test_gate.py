"""The gate in front of Docker's socket, over real sockets: a small engine behind it says what reached it."""

import http.client
import importlib
import importlib.util
import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

# Not `import docker`: type checkers take this project's folder docker/ for it.
docker: Any = importlib.import_module("docker")

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "bionicpro-assets:0.1.0"
COMMAND = ["dagster", "api", "execute_run", "{}"]
OPTIONS = yaml.safe_load((ROOT / "docker/dagster.yaml").read_text())["run_launcher"]["config"]["container_kwargs"]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class FakeEngine(socketserver.ThreadingUnixStreamServer):
    """Docker's API as far as the gate uses it; remembers what reached it."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.containers: dict[str, dict[str, Any]] = {}
        super().__init__(path, EngineHandler)


class EngineHandler(BaseHTTPRequestHandler):
    server: FakeEngine

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, json.loads(body) if body else None))
        path = self.path.partition("?")[0]
        name = path.split("/")[-2]
        if path.endswith("/version"):
            self.say(200, {"ApiVersion": "1.45"})
        elif path.endswith("/containers/create"):
            self.server.containers["new"] = {"Id": "new", "Config": {"Labels": self.server.seen[-1][2]["Labels"]}}
            self.say(201, {"Id": "new", "Warnings": []})
        elif path.endswith("/containers/json"):
            self.say(200, [{"Id": c} for c in self.server.containers])
        elif path.endswith("/json"):
            found = self.server.containers.get(name)
            self.say(200, found) if found else self.say(404, {"message": "no such container"})
        elif self.command == "DELETE":
            self.server.containers.pop(path.split("/")[-1])
            self.say(204, None)
        else:
            self.say(204, None)

    do_POST = do_DELETE = do_GET  # noqa: N815

    def say(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def engine(tmp_path) -> Iterator[FakeEngine]:
    with FakeEngine(str(tmp_path / "s")) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def gate(engine, monkeypatch) -> Iterator[Any]:
    """The module, listening, with the image and the engine's socket in its environment."""
    monkeypatch.setenv("STACK_IMAGE", IMAGE)
    monkeypatch.setenv("GATE_DOCKER_SOCKET", str(engine.server_address))
    spec = importlib.util.spec_from_file_location("gate", ROOT / "docker/gate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with ThreadingHTTPServer(("127.0.0.1", 0), module.Gate) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        vars(module)["address"] = f"127.0.0.1:{server.server_port}"
        yield module
        server.shutdown()


@pytest.fixture
def client(gate) -> Iterator[Any]:
    """Docker's own client, as the run launcher has it."""
    made = docker.DockerClient(base_url=f"tcp://{gate.address}", version="1.45")
    yield made
    made.close()


def create(client: Any, image: str = IMAGE, command: Any = COMMAND, **changed: Any) -> Any:
    """What the run launcher asks for, with dagster.yaml's options and some of them changed."""
    options = {k: v for k, v in OPTIONS.items() if k != "stop_timeout"} | {"network": "bionicpro_platform"} | changed
    return client.containers.create(image, command, detach=True, environment={"A": "b"}, labels={"c": "d"}, **options)


def test_a_run_is_created_with_the_label_started_looked_at_and_stopped(client, engine):
    container = create(client)
    container.start()
    container.stop(timeout=60)
    created = next(body for _, path, body in engine.seen if path.endswith("/containers/create"))
    assert created["Labels"] == {"c": "d", "bionicpro.run": "true"}
    assert created["HostConfig"]["Binds"] == [
        "bionicpro_platform_config:/run/bionicpro:ro",
        "bionicpro_platform_pages:/var/lib/bionicpro/pages",
    ]
    assert [p for m, p, _ in engine.seen if m == "POST"][1:] == [
        "/v1.45/containers/new/start",
        "/v1.45/containers/new/stop?t=60",
    ]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"image": "postgres:17-bookworm"}, "Image"),
        ({"command": ["sh", "-c", "id"]}, "Cmd"),
        ({"command": ["dagster", "api", "execute_run", "{}", "more"]}, "Cmd"),
        ({"entrypoint": ["sh"]}, "Entrypoint"),
        ({"user": "0"}, "User"),
        ({"privileged": True}, "HostConfig.Privileged"),
        ({"cap_add": ["SYS_ADMIN"]}, "HostConfig.CapAdd"),
        ({"cap_drop": []}, "HostConfig.CapDrop"),
        ({"security_opt": ["seccomp=unconfined"]}, "HostConfig.SecurityOpt"),
        ({"volumes": ["/:/host"]}, "HostConfig.Binds"),
        ({"volumes": ["bionicpro_platform_config:/run/bionicpro:rw"]}, "HostConfig.Binds"),
        ({"volumes": [*OPTIONS["volumes"], "/var/run/docker.sock:/s"]}, "HostConfig.Binds"),
        ({"mounts": [docker.types.Mount("/host", "/", type="bind")]}, "HostConfig.Mounts"),
        ({"volumes_from": ["bionicpro-crm_db-1"]}, "HostConfig.VolumesFrom"),
        ({"devices": ["/dev/sda:/dev/sda"]}, "HostConfig.Devices"),
        ({"network": "bridge"}, "HostConfig.NetworkMode"),
        ({"network": None, "network_mode": "host"}, "HostConfig.NetworkMode"),
        ({"pid_mode": "host"}, "HostConfig.PidMode"),
        ({"ipc_mode": "host"}, "HostConfig.IpcMode"),
        ({"userns_mode": "host"}, "HostConfig.UsernsMode"),
        ({"cgroupns": "host"}, "HostConfig.CgroupnsMode"),
        ({"ports": {"80/tcp": 80}}, "HostConfig.PortBindings"),
        ({"read_only": False}, "HostConfig.ReadonlyRootfs"),
        ({"mem_limit": None}, "HostConfig.Memory"),
        ({"restart_policy": {"Name": "always"}}, "HostConfig.RestartPolicy"),
        ({"log_config": None}, "HostConfig.LogConfig"),
        ({"auto_remove": True}, "HostConfig.AutoRemove"),
    ],
)
def test_whatever_is_more_than_a_run_is_refused_and_named(client, engine, changed, named):
    with pytest.raises(docker.errors.APIError, match=f"The gate refuses it:.*{named}\\b") as caught:
        create(client, **changed)
    assert caught.value.status_code == 403
    assert not [path for _, path, _ in engine.seen if path.endswith("/create")]


def test_other_containers_do_not_exist_for_it(client, engine):
    engine.containers["crm_db"] = {"Id": "crm_db", "Config": {"Labels": {"c": "d"}}}
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("crm_db")
    for verb in (client.api.stop, client.api.start):
        with pytest.raises(docker.errors.NotFound):
            verb("crm_db")
    assert {path for _, path, _ in engine.seen} == {"/containers/crm_db/json"}


def test_the_rest_of_the_api_is_closed(client, engine):
    engine.containers["run"] = {"Id": "run", "Config": {"Labels": {"bionicpro.run": "true"}}}
    run = client.containers.get("run")
    for tried in (
        client.images.list, client.volumes.list, client.networks.list, client.containers.list, client.info,
        lambda: run.exec_run("id"), lambda: run.put_archive("/", b"x"), lambda: run.remove(force=True), run.kill,
        lambda: client.images.pull("postgres", "17"), lambda: client.images.build(path=str(ROOT / "docker/nginx")),
    ):  # fmt: skip
        engine.seen.clear()
        # Who is still sending when the gate has refused may see the connection break in place of the answer.
        with pytest.raises((docker.errors.DockerException, OSError)):
            tried()
        assert engine.seen == []


@pytest.mark.parametrize(
    "path", ["/containers/run/../../images/json", "/v1.45/containers/run%2f..%2fcrm/json", "//info"]
)
def test_paths_that_mean_something_else_are_refused(gate, engine, path):
    connection = http.client.HTTPConnection(gate.address)
    connection.request("GET", path)
    assert connection.getresponse().status == 403
    connection.close()
    assert engine.seen == []


def test_runs_that_ended_long_ago_are_removed(gate, engine):
    def container(finished: datetime, created: datetime = NOW - timedelta(days=3)) -> dict[str, Any]:
        return {
            "State": {"FinishedAt": f"{finished.isoformat()[:19]}.123456789Z"},
            "Created": f"{created.isoformat()[:19]}Z",
        }

    never = datetime(1, 1, 1, tzinfo=UTC)
    engine.containers |= {
        "old": container(NOW - timedelta(hours=25)),
        "young": container(NOW - timedelta(hours=23)),
        "never started": container(never),
        "just created": container(never, NOW - timedelta(minutes=1)),
    }
    engine.containers = {name.replace(" ", "_"): c for name, c in engine.containers.items()}
    assert sorted(gate.remove_ended(NOW)) == ["never_started", "old"]
    assert sorted(engine.containers) == ["just_created", "young"]
    asked = engine.seen[0][1]
    assert "bionicpro.run%3Dtrue" in asked
    assert "exited" in asked
    assert "running" not in asked
