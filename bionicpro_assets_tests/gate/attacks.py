"""Requests for containers that are no runs', made out of the one that is: by keys, cases, types, nesting, repetition, size."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

# What an insider would like a container to have. Where a value is empty or off, that is what takes a protection away.
OF_THE_CONTAINER: dict[str, list[Any]] = {
    "Image": ["postgres:17-bookworm", "", None, 0],
    "User": ["0", "0:0", "root", ""],
    "Entrypoint": [["sh", "-c", "id"], [], ""],
    "Cmd": [["sh", "-c", "id"], "id", [], None],
    "Env": [["LD_PRELOAD=/var/lib/bionicpro/pages/x.so"], [], None],
    "Volumes": [{"/": {}}, {}, None],
    "WorkingDir": ["/", ""],
    "Labels": [{"bionicpro.run": "false"}, {}, None],
    "Healthcheck": [{"Test": ["CMD", "id"]}],
    "ExposedPorts": [{"80/tcp": {}}],
    "OnBuild": [["RUN id"]],
    "Shell": [["sh"]],
    "Hostname": ["crm_db"],
    "MacAddress": ["02:42:ac:11:00:02"],
    "StopSignal": ["SIGKILL"],
    "StopTimeout": [0, 10**9],
    "NetworkDisabled": [True, None, 0],
    "Tty": [True],
    "AttachStdin": [True],
    "NetworkingConfig": [
        {"EndpointsConfig": {"bridge": {}}},
        {"EndpointsConfig": {"bionicpro_platform": {"Aliases": ["clickhouse"]}}},
        {"bionicpro_platform": {"IPAMConfig": {}}},
        {}, None,
    ],
    "HostConfig": [{"Privileged": True, "Binds": ["/:/host"]}, {}, None, []],
}  # fmt: skip
OF_THE_HOST: dict[str, list[Any]] = {
    "Privileged": [True, 1, "true"],
    "Binds": [["/:/host"], ["/var/run/docker.sock:/s"], [], None, ["bionicpro_platform_config:/run/bionicpro:rw"]],
    "Mounts": [[{"Type": "bind", "Source": "/", "Target": "/host"}], []],
    "VolumesFrom": [["bionicpro-clickhouse-1"]],
    "CapAdd": [["SYS_ADMIN"], ["ALL"]],
    "CapDrop": [[], None, ["NET_RAW"], "ALL"],
    "SecurityOpt": [[], None, ["seccomp=unconfined"], ["no-new-privileges:true", "apparmor=unconfined"]],
    "ReadonlyRootfs": [False, None, 0, 1],
    "MaskedPaths": [[], None],
    "ReadonlyPaths": [[], None],
    "NetworkMode": ["host", "bridge", "container:bionicpro-clickhouse-1", "", None],
    "PidMode": ["host"],
    "IpcMode": ["host", "shareable"],
    "UTSMode": ["host"],
    "UsernsMode": ["host"],
    "CgroupnsMode": ["host"],
    "CgroupParent": ["/"],
    "Devices": [[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]],
    "DeviceRequests": [[{"Count": -1, "Capabilities": [["gpu"]]}]],
    "DeviceCgroupRules": [["a *:* rwm"]],
    "GroupAdd": [["0"]],
    "Runtime": ["runc"],
    "Sysctls": [{"kernel.core_pattern": "|/x"}],
    "Ulimits": [[{"Name": "nofile", "Soft": 10**6, "Hard": 10**6}]],
    "ExtraHosts": [["dagster_db:192.0.2.1"]],
    "Dns": [["192.0.2.1"]],
    "Links": [["bionicpro-clickhouse-1"]],
    "PortBindings": [{"80/tcp": [{"HostPort": "80"}]}],
    "PublishAllPorts": [True],
    "RestartPolicy": [{"Name": "always"}],
    "AutoRemove": [True],
    "LogConfig": [
        {"Type": "syslog", "Config": {"syslog-address": "tcp://192.0.2.1:514"}}, {"Type": "none", "Config": {}}, {}, None,
        {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3", "env": "DAGSTER_POSTGRES_HOST"}},
    ],
    "Tmpfs": [{"/etc": ""}, {"/tmp": "size=256m,exec,suid"}, {}, None],
    "Init": [False, None, 1],
    "ShmSize": [1 << 40],
    "StorageOpt": [{"size": "1T"}],
    "OomKillDisable": [True],
    "OomScoreAdj": [-1000],
    "Memory": [0, -1, 1 << 50, True, "4g", 4294967296.0, None],
    "MemorySwap": [-1],
    "NanoCpus": [0, -1, 1 << 50, True],
    "PidsLimit": [0, -1, 1 << 30, None],
    "Annotations": [{"run.oci.keep_original_groups": "1"}],
}  # fmt: skip
# Go takes the long s and the Kelvin sign for the letters s and k.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "exactly": str,
    "small": str.lower,
    "large": str.upper,
    "long s": lambda k: k.replace("s", "\u017f"),
    "Kelvin": lambda k: k.replace("k", "\u212a"),
}
NOTHINGS: list[Any] = [None, False, 0, "", [], {}]


def attacks(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and bodies. `good` is the body of a run."""
    seen = {good}
    for name, body in _all(json.loads(good)):
        if body not in seen:
            seen.add(body)
            yield name, body


def _all(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    yield from _other_values(good)
    yield from _added_keys(good)
    yield from _leaves(good)
    yield from _commands(good)
    yield from _environments_and_labels(good)
    yield from _shapes(good)


def _other_values(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for part, values in ((None, OF_THE_CONTAINER), ("HostConfig", OF_THE_HOST)):
        for key, wanted in values.items():
            for value in wanted:
                body = copy.deepcopy(good)
                (body[part] if part else body)[key] = value
                yield f"{part or ''}.{key} = {value!r}", json.dumps(body).encode()


def _added_keys(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """A key once more, spelt otherwise or alike, after the right one: Docker takes the last."""
    for part, values in ((None, OF_THE_CONTAINER), ("HostConfig", OF_THE_HOST)):
        for key, wanted in values.items():
            for spelling, spell in SPELLINGS.items():
                for value in (wanted[0], *NOTHINGS):
                    name = f"{part or ''}.{key} once more, {spelling}, {value!r}"
                    yield name, _with_more(good, part, f"{json.dumps(spell(key))}: {json.dumps(value)}")
            escaped = "".join(f"\\u{ord(c):04x}" for c in key)
            yield f"{key}, escaped", _with_more(good, part, f'"{escaped}": {json.dumps(wanted[0])}')


def _with_more(good: dict[str, Any], part: str | None, more: str) -> bytes:
    if part is None:
        return f"{json.dumps(good)[:-1]}, {more}}}".encode()
    inner = f"{json.dumps(good[part])[:-1]}, {more}}}"
    rest = {k: v for k, v in good.items() if k != part}
    return f'{json.dumps(rest)[:-1]}, "{part}": {inner}}}'.encode()


def _leaves(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Each value that a run's request has: of another type, or not there."""
    for path in _paths(good):
        for value in (*NOTHINGS, True, 1, "x", [None], {"x": 1}):
            body = copy.deepcopy(good)
            holder = _at(body, path[:-1])
            if json.dumps(holder[path[-1]]) != json.dumps(value):
                holder[path[-1]] = value
                yield f"{path} = {value!r}", json.dumps(body).encode()
        body = copy.deepcopy(good)
        del _at(body, path[:-1])[path[-1]]
        yield f"{path} left out", json.dumps(body).encode()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _commands(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    arguments = json.loads(good["Cmd"][3])
    pointer = {"__class__": "FileCodePointer", "python_file": "/var/lib/bionicpro/pages/x.py", "fn_name": "x"}
    for name, changed in {
        "code of a file": {**arguments, "pipeline_origin": _set(arguments["pipeline_origin"], "repository_origin", "code_pointer", pointer)},
        "another module": {**arguments, "pipeline_origin": _set(arguments["pipeline_origin"], "repository_origin", "code_pointer", "module", "os")},
        "a folder for code": {**arguments, "pipeline_origin": _set(arguments["pipeline_origin"], "repository_origin", "code_pointer", "working_directory", "/var/lib/bionicpro/pages")},
        "another image": {**arguments, "pipeline_origin": _set(arguments["pipeline_origin"], "repository_origin", "container_image", "x")},
        "a container context": {**arguments, "pipeline_origin": _set(arguments["pipeline_origin"], "repository_origin", "container_context", {"docker": {}})},
        "another class": {**arguments, "__class__": "ResumeRunArgs"},
        "no number": {**arguments, "pipeline_run_id": "../../x"},
        "a number in large letters": {**arguments, "pipeline_run_id": arguments["pipeline_run_id"].upper()},
        "a job with a line's end": {**arguments, "pipeline_origin": {**arguments["pipeline_origin"], "pipeline_name": "a\nb"}},
        "more": {**arguments, "more": 1},
        "a list": [arguments],
    }.items():  # fmt: skip
        yield f"command: {name}", _body(good, Cmd=[*good["Cmd"][:3], json.dumps(changed)])
    for command in (
        [*good["Cmd"], "more"], good["Cmd"][:3], ["dagster", "api", "resume_run", good["Cmd"][3]],
        ["dagster", "api", "grpc", good["Cmd"][3]], [*good["Cmd"][:3], "{"], [*good["Cmd"][:3], "{}"],
        [*good["Cmd"][:3], arguments], " ".join(good["Cmd"]),
        [*good["Cmd"][:3], good["Cmd"][3][:-1] + ', "PIPELINE_RUN_ID": "x"}'],
        [*good["Cmd"][:3], good["Cmd"][3][:-1] + ', "__class__": "ResumeRunArgs"}'],
    ):  # fmt: skip
        yield f"command {str(command)[:60]}", _body(good, Cmd=command)


def _set(value: dict[str, Any], *path: Any) -> dict[str, Any]:
    changed = copy.deepcopy(value)
    *keys, last, new = path
    _at(changed, tuple(keys))[last] = new
    return changed


def _environments_and_labels(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    env = good["Env"]
    for more in (
        "LD_PRELOAD=/x",
        "PYTHONPATH=/x",
        "DAGSTER_HOME=/x",
        "BIONICPRO_CRM_DB_URL=postgresql://x",
        env[0],
        "x",
    ):
        yield f"environment and {more}", _body(good, Env=[*env, more])
    for place, entry in enumerate(env):
        yield f"another {entry}", _body(good, Env=[*env[:place], entry + "x", *env[place + 1 :]])
        yield f"without {entry}", _body(good, Env=env[:place] + env[place + 1 :])
    labels = good["Labels"]
    for more in ({"com.docker.compose.project": "bionicpro"}, {"bionicpro.run": "true"}, {"traefik.enable": "true"}):
        yield f"labels and {more}", _body(good, Labels=labels | more)
    for name in labels:
        yield f"another {name}", _body(good, Labels=labels | {name: "x"})


def _shapes(good: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    text = json.dumps(good)
    yield "nothing", b""
    yield "twice", f"{text} {text}".encode()
    yield "a comment", f"{text} // {{}}".encode()
    yield "cut off", text[:-1].encode()
    yield "not UTF-8", text.replace("dagster_db", "\udcff").encode("utf-8", "surrogateescape")
    yield "NaN", text.replace("4294967296", "NaN").encode()
    yield "a number with an exponent", text.replace("4294967296", "4.294967296e9").encode()
    yield "a number beyond all", text.replace("4294967296", "9" * 5000).encode()
    yield "nested without end", b"[" * 30_000
    yield "nested objects", b'{"HostConfig":' * 4_000
    yield "thousands of keys", _body(good, **{f"k{i}": i for i in range(4_000)})
    yield "too large", f"{text[:-1]}, {json.dumps('x' * (64 << 10))}: 1}}".encode()
    whole: list[Any] = [[], [good], "x", 1, True, None, {}]
    for value in whole:
        yield f"all of it {str(value)[:20]}", json.dumps(value).encode()


def _body(good: dict[str, Any], **changed: Any) -> bytes:
    return json.dumps(good | changed).encode()
