"""The gate in front of Docker's socket, over real sockets: a small engine behind it says what reached it."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import deserialize_value
from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.gate import __main__ as program
from bionicpro_assets.gate import engine as gates_engine
from bionicpro_assets.gate import server as gates_server
from bionicpro_assets.gate.container import Place, RefusedError, container
from bionicpro_assets.gate.http import MAX_HEAD, MAX_REQUEST
from bionicpro_assets_tests.gate.attacks import attacks
from bionicpro_assets_tests.gate.launching import DATABASE, IMAGE, JOB, ROOT, RUN, Daemon, docker
from bionicpro_assets_tests.gate.recorded import NEW, NOW, EngineHandler, RecordedEngine

KEPT_FOR = timedelta(hours=24)
OLD, OTHER = "b" * 64, "c" * 64
PLACE = Place(
    IMAGE, "bionicpro_platform",
    ("bionicpro_platform_config:/run/bionicpro:ro", "bionicpro_platform_pages:/var/lib/bionicpro/pages"), DATABASE,
)  # fmt: skip
# Every word of what the engine is asked for.
MADE = {
    "Image": IMAGE,
    "User": "10001:10001",
    "Entrypoint": ["entrypoint.sh"],
    "Env": [
        "BIONICPRO_ENV_FILE=/run/bionicpro/settings.env",
        "BIONICPRO_PAGES=/var/lib/bionicpro/pages",
        "DAGSTER_POSTGRES_HOST=dagster_db",
        "DAGSTER_POSTGRES_DB=dagster",
        "DAGSTER_POSTGRES_USER=dagster",
        "DAGSTER_POSTGRES_PASSWORD_FILE=/run/bionicpro/dagster_db_password",
        "STACK_IMAGE=bionicpro-assets:0.1.0",
        "DAGSTER_EVENT_BATCH_SIZE=1000",
        "DAGSTER_RUN_JOB_NAME=bionicpro_reports_etl",
        "DAGSTER_HOME=/run/bionicpro",
    ],
    "Labels": {"bionicpro.run": "true", "dagster/run_id": RUN, "dagster/job_name": JOB},
    "HostConfig": {
        "NetworkMode": "bionicpro_platform",
        "Binds": ["bionicpro_platform_config:/run/bionicpro:ro", "bionicpro_platform_pages:/var/lib/bionicpro/pages"],
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "Tmpfs": {"/tmp": "size=256m"},
        "Init": True,
        "Privileged": False,
        "IpcMode": "private",
        "Memory": 4 << 30,
        "MemorySwap": 4 << 30,
        "NanoCpus": 2_000_000_000,
        "PidsLimit": 256,
    },
}


@pytest.fixture
def engine(tmp_path) -> Iterator[RecordedEngine]:
    with RecordedEngine(str(tmp_path / "s")) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def gate(engine) -> Iterator[str]:
    """Where the gate listens."""
    ready = SimpleNamespace(listening=threading.Event())

    async def serve() -> None:
        ready.loop, ready.stop = asyncio.get_running_loop(), asyncio.Event()
        made = gates_server.Gate(gates_engine.Engine(str(engine.server_address), KEPT_FOR), PLACE)
        async with await made.serve("127.0.0.1", 0) as listening:
            ready.port = listening.sockets[0].getsockname()[1]
            ready.listening.set()
            await ready.stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.listening.wait(30)
    yield f"127.0.0.1:{ready.port}"
    ready.loop.call_soon_threadsafe(ready.stop.set)
    thread.join()


@pytest.fixture
def daemon(gate, monkeypatch) -> Daemon:
    """Dagster's launcher, whose Docker is the gate."""
    return Daemon(gate, monkeypatch)


@pytest.fixture
def client(gate) -> Iterator[Any]:
    """Docker's own client, as the run launcher has it."""
    made = docker.DockerClient(base_url=f"tcp://{gate}", version="1.45")
    yield made
    made.close()


@pytest.fixture(scope="module")
def good() -> bytes:
    """What Docker's client sends for a run, as Dagster's launcher asks it to."""
    sent: list[bytes] = []

    class Recorder(EngineHandler):
        def do_POST(self) -> None:  # noqa: N802
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.say(500, {"message": "enough"})

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Recorder) as server, pytest.MonkeyPatch.context() as patch:
        vars(server).update(seen=[], containers={})
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with pytest.raises(docker.errors.APIError, match="enough"):
            Daemon(f"127.0.0.1:{server.server_address[1]}", patch).launch()
        server.shutdown()
    return sent[0]


def post(gate: str, body: bytes, path: str = "/v1.45/containers/create", **headers: str) -> tuple[int, str]:
    """Status and message of the answer."""
    connection = http.client.HTTPConnection(gate, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}").get("message", "")
    finally:
        connection.close()


def test_dagsters_launcher_starts_watches_and_stops_a_run(daemon, engine):
    daemon.launch()
    assert engine.created()[0] | {"Cmd": 0} == MADE | {"Cmd": 0}
    assert daemon.tags["docker/container_id"] == NEW
    run = daemon.get_run_by_id(RUN)
    assert daemon.launcher.check_run_worker_health(run).status.value == "FAILED", "it is created, and doesn't run yet"
    engine.containers[NEW]["State"]["Status"] = "running"
    assert daemon.launcher.check_run_worker_health(run).status.value == "RUNNING"
    assert daemon.launcher.terminate(RUN)
    assert engine.asked("POST") == [
        "/v1.44/containers/create", f"/v1.44/containers/{NEW}/start", f"/v1.44/containers/{NEW}/stop?t=30",
    ]  # fmt: skip


def test_a_runs_command_names_the_run_and_no_instance(daemon, engine):
    daemon.launch()
    command = engine.created()[0]["Cmd"]
    assert command[:3] == ["dagster", "api", "execute_run"]
    arguments = json.loads(command[3])
    assert arguments["pipeline_run_id"] == RUN
    assert arguments["pipeline_origin"]["pipeline_name"] == JOB
    assert arguments["instance_ref"] is None
    # What the container makes of it.
    taken = deserialize_value(command[3], ExecuteRunArgs)
    pointer = taken.job_origin.repository_origin.code_pointer
    assert pointer == ModuleCodePointer("bionicpro_assets.definitions", "defs", "/opt/dagster")


def test_sizes_are_those_of_dagster_yaml(good, engine, gate):
    body = json.loads(good)
    body["HostConfig"] |= {"Memory": 8 << 30, "NanoCpus": 4 * 10**9, "PidsLimit": 512}
    assert post(gate, json.dumps(body).encode())[0] == 201
    made = engine.created()[0]["HostConfig"]
    assert (made["Memory"], made["MemorySwap"], made["NanoCpus"], made["PidsLimit"]) == (
        8 << 30,
        8 << 30,
        4 * 10**9,
        512,
    )


def test_a_run_may_be_asked_for_with_its_environment_in_any_order(good, engine, gate):
    body = json.loads(good)
    body["Env"].reverse()
    assert post(gate, json.dumps(body).encode())[0] == 201
    assert engine.created()[0]["Env"] == MADE["Env"]


def test_every_attack_is_refused_in_words_and_reaches_no_engine(good, engine, gate):
    tried = 0
    for name, body in attacks(good):
        status, said = post(gate, body)
        assert 400 <= status < 500, name
        assert said.startswith("The gate refuses it: "), name
        assert said.endswith("."), name
        assert len(said) < 400, name
        tried += 1
    assert tried > 1000
    assert engine.seen == []


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
def test_whatever_is_asked_the_container_is_made_of_constants(good, data):
    body = json.loads(good)
    holder = data.draw(st.sampled_from([body, body["HostConfig"], body["Labels"], body["NetworkingConfig"]]))
    key = data.draw(st.sampled_from([*holder, "Privileged"]) | st.text(max_size=12))
    holder[key] = data.draw(ANY)
    try:
        made = container(PLACE, json.dumps(body).encode())
    except RefusedError:
        return
    sizes = {name: made["HostConfig"].pop(name) for name in ("Memory", "MemorySwap", "NanoCpus", "PidsLimit")}
    assert made | {"Cmd": 0} == MADE | {
        "Cmd": 0,
        "HostConfig": {k: v for k, v in MADE["HostConfig"].items() if k not in sizes},
    }
    assert all(type(size) is int and size > 0 for size in sizes.values())


def test_the_gate_and_dagster_yaml_say_the_same():
    config = yaml.safe_load((ROOT / "docker/dagster.yaml").read_text())["run_launcher"]["config"]
    names = {entry.partition("=")[0] for entry in MADE["Env"]} - {"DAGSTER_RUN_JOB_NAME", "DAGSTER_HOME"}
    assert {entry.partition("=")[0] for entry in config["env_vars"]} == names


@pytest.mark.parametrize("query", ["?name=bionicpro-clickhouse-1", "?platform=x", "?", "#x", "/"])
def test_nothing_is_said_beside_the_body(good, engine, gate, query):
    status, said = post(gate, good, f"/v1.45/containers/create{query}")
    assert status in (400, 403)
    assert "The gate refuses it" in said
    assert engine.seen == []


def test_other_containers_do_not_exist_for_it(client, engine):
    engine.add(OTHER, labels={"c": "d"})
    for name in (OTHER, OTHER[:12], "bionicpro-crm_db-1"):
        with pytest.raises(docker.errors.NotFound, match="No such container of a run"):
            client.containers.get(name)
        for verb in (client.api.stop, client.api.start):
            with pytest.raises(docker.errors.NotFound):
                verb(name)
    assert set(engine.asked("GET")) == {f"/v1.44/containers/{OTHER}/json"}
    assert engine.asked("POST") == []


def test_the_rest_of_the_api_is_closed(client, engine):
    engine.add(OLD)
    run = client.containers.get(OLD)
    for tried in (
        client.images.list, client.volumes.list, client.networks.list, client.containers.list, client.info,
        lambda: run.exec_run("id"), lambda: run.put_archive("/", b"x"), lambda: run.remove(force=True), run.kill,
        lambda: run.update(mem_limit=1), lambda: run.rename("x"), run.commit, run.top, run.pause,
        lambda: run.stop(timeout=10**6), lambda: client.api.get_archive(OLD, "/"), client.containers.prune,
        lambda: client.images.pull("postgres", "17"), lambda: client.images.build(path=str(ROOT / "docker/nginx")),
        lambda: client.volumes.create("x"), lambda: client.networks.create("x"), lambda: client.swarm.init(),
        lambda: client.plugins.list(), lambda: client.api.login("x", "y"),
    ):  # fmt: skip
        engine.seen.clear()
        # Who is still sending when the gate has refused may see the connection break in place of the answer.
        with pytest.raises((docker.errors.DockerException, OSError)):
            tried()
        assert engine.seen == []


@pytest.mark.parametrize(
    "path",
    [
        f"/containers/{OLD}/../../images/json", f"/v1.45/containers/{OLD}%2f..%2f{OTHER}/json", "//info", "/info",
        f"/v1.45/containers/{OLD}/json?size=1", f"/v1.45/containers/{OLD}/start?t=1", f"/containers/{OLD}/stop?t=9&t=1",
        f"/containers/{OLD}/stop?signal=SIGKILL", "/containers/json", "/v1.45/events", "http://docker/info", "*",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"])
def test_paths_that_mean_something_else_are_refused(gate, engine, method, path):
    connection = http.client.HTTPConnection(gate)
    connection.request(method, path)
    assert connection.getresponse().status in (400, 403)
    connection.close()
    assert engine.seen == []


def connect(gate: str, source: str = "127.0.0.1") -> socket.socket:
    host, port = gate.split(":")
    return socket.create_connection((host, int(port)), timeout=60, source_address=(source, 0))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n", 413),
        ("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("GET /version HTTP/1.1\r\nHost: x\r\nX: " + "x" * 2 * MAX_HEAD, 431),
        ("GET /version HTTP/1.1\r\nHost: x\r\n" + "X: x\r\n" * MAX_HEAD, 431),
        ("GET /" + "x" * 2 * MAX_HEAD, 431),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_a_head_is_bounded_and_honest(gate, engine, head, status):
    with connect(gate) as wire:
        wire.sendall(head.encode("latin-1"))
        assert wire.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())
    assert engine.seen == []


def test_a_body_without_an_end_is_read_no_further_than_a_run_needs(gate, engine):
    sent = 0
    with connect(gate) as wire:
        wire.sendall(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        try:
            while sent < 1 << 30:
                wire.sendall(piece)
                sent += len(piece)
        except OSError:
            pass  # the gate has answered and gone
    # What both ends of a socket hold, at the most.
    assert MAX_REQUEST <= sent < 64 << 20
    assert engine.seen == []


def test_half_sent_requests_take_no_threads_and_keep_nobody_else_out(gate, good, monkeypatch):
    monkeypatch.setattr(gates_server, "SECONDS_TO_ASK", 3600)
    threads = threading.active_count()
    half = []
    for _ in range(300):
        half.append(connect(gate))
        half[-1].sendall(b"POST /v1.45/containers/create HTTP/1.1\r\nHost: x\r\n")
    assert threading.active_count() <= threads + 2
    # Another of those who may ask isn't kept waiting.
    with connect(gate, "127.0.0.2") as other:
        other.sendall(b"GET /v1.45/version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"ApiVersion": "1.45"' in other.makefile("rb").read()
    most = gates_server.MOST_OF_ONE_ADDRESS
    for wire in half[most:]:
        # Answered, and gone before all was read.
        with contextlib.suppress(ConnectionError):
            assert wire.recv(1000).startswith(b"HTTP/1.1 503 ")
        wire.close()
    for wire in half[:most]:
        wire.setblocking(False)
        with pytest.raises(BlockingIOError):
            wire.recv(1)
        wire.close()
    # As soon as the gate has noticed that they have gone.
    while (answer := post(gate, good)[0]) == 503:
        time.sleep(0.05)
    assert answer == 201


def test_a_request_that_is_not_all_there_is_not_waited_for(gate, engine, monkeypatch):
    monkeypatch.setattr(gates_server, "SECONDS_TO_ASK", 0.2)
    for begun in (
        b"",
        b"POST /v1.45/contain",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ):
        with connect(gate) as wire:
            wire.sendall(begun)
            said = wire.makefile("rb").read()
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"The gate refuses it: it wasn't all there after 0.2 seconds." in said
    assert engine.seen == []


def test_no_more_containers_are_at_work_than_may_be(gate, engine, good):
    for number in range(gates_engine.MOST_AT_WORK):
        engine.add(f"{number:064x}", "created" if number % 2 else "running", created=datetime.now(UTC))
    status, said = post(gate, good)
    assert (status, engine.created()) == (429, [])
    assert said == "The gate refuses it: 16 containers of runs are at work; ask again when one has ended."


def test_containers_that_nobody_started_keep_no_run_from_beginning(gate, engine, good):
    for number in range(gates_engine.MOST_AT_WORK):
        engine.add(f"{number:064x}", "created")
    assert post(gate, good)[0] == 201
    assert list(engine.containers) == [NEW]


def test_an_engine_that_is_away_is_said_to_be(gate, engine, good):
    engine.shutdown()
    engine.server_close()
    Path(str(engine.server_address)).unlink()
    assert post(gate, good) == (
        502,
        "The gate refuses it: Docker's engine doesn't answer as it should (FileNotFoundError).",
    )


def remove(engine: RecordedEngine, **options: Any) -> list[str]:
    made = gates_engine.Engine(str(engine.server_address), KEPT_FOR)
    return asyncio.run(made.remove_ended(NOW, **options))


def test_runs_that_ended_long_ago_are_removed(engine):
    def ended(hours: int) -> str:
        return f"{(NOW - timedelta(hours=hours)).isoformat()[:19]}.123456789Z"

    engine.add("1" * 64, "exited", finished=ended(25))
    engine.add("2" * 64, "exited", finished=ended(23))
    engine.add("3" * 64, "created", created=NOW - timedelta(minutes=11))
    engine.add("4" * 64, "created", created=NOW - timedelta(minutes=9))
    engine.add("5" * 64, "running", finished=ended(99))
    engine.add("6" * 64, "exited", labels={"c": "d"}, finished=ended(25))
    assert sorted(remove(engine)) == ["1" * 64, "3" * 64]
    assert "bionicpro.run%3Dtrue" in engine.seen[0][1]


def test_the_oldest_of_too_many_are_removed(engine):
    for number in range(6):
        finished = f"{(NOW - timedelta(minutes=9)).isoformat()[:19]}Z"
        engine.add(f"{number:064x}", "exited", finished=finished, created=NOW - timedelta(minutes=10 + number))
    assert sorted(remove(engine, most=4)) == [f"{4:064x}", f"{5:064x}"]


def test_it_goes_on_as_a_user_without_rights_in_the_sockets_group(monkeypatch, tmp_path):
    """Which user it becomes is looked at in a container of the stack, too (e2e/compose)."""
    (tmp_path / "s").touch()
    became: list[Any] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: became.append((name, value)))
    program.become_nobody_special(str(tmp_path / "s"))
    group = (tmp_path / "s").stat().st_gid
    assert became == [("setgroups", [group]), ("setgid", 10001), ("setuid", 10001)]


def test_without_a_socket_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("GATE_DOCKER_SOCKET", str(tmp_path / "none"))
    with pytest.raises(SystemExit, match="The gate has no way to Docker's engine: .*none.*mounted"):
        program.main()


def wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_it_serves_until_it_is_told_to_stop(engine, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | DATABASE | {
        "STACK_IMAGE": IMAGE, "GATE_DOCKER_SOCKET": str(engine.server_address), "GATE_PORT": str(port),
    }  # fmt: skip
    # As whoever runs the tests: only root can become somebody else, and the socket is in a folder of this user's.
    script = "from bionicpro_assets.gate import __main__ as p; p.become_nobody_special = lambda s: None; p.main()"
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_it_listens(port)
        assert post(f"127.0.0.1:{port}", b"{}")[0] == 403
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.endswith("refused 127.0.0.1: POST '/v1.45/containers/create': Cmd isn't the command of a run\n")
