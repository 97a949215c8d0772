"""What a run's container is: the one request for it that is taken, and the container that is made of it.

The engine never sees a byte of the request. From it come a run's number, the name of its job and three sizes, each of a
known form; everything else in the container is a constant of this file. That a filter can be told two things by one
text (by letters that are large or small, by a key that is there twice, by an empty value) doesn't help any more.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

LABEL = "bionicpro.run"
GIGABYTE = 1 << 30
USER = "10001:10001"
SETTINGS_FOLDER = "/run/bionicpro"
PAGES_FOLDER = "/var/lib/bionicpro/pages"
JOB_NAME = re.compile(r"\w{1,128}", re.ASCII)
# The least and the most of each size that docker/dagster.yaml may give a run.
SIZES = {"Memory": (64 << 20, 64 * GIGABYTE), "NanoCpus": (10**8, 64 * 10**9), "PidsLimit": (16, 4096)}
# What the client sends besides, always the same.
OF_THE_CLIENT = {
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "NetworkDisabled": False,
    "Volumes": {SETTINGS_FOLDER: {}, PAGES_FOLDER: {}},
}


class RefusedError(Exception):
    """What was asked for isn't for a run to have; the message says what."""


@dataclass(frozen=True)
class Place:
    """What this stack calls the things that a run is given.

    Attributes:
        image: The one image.
        network: The network with the databases.
        binds: The volumes with the settings and for the fleet's pages.
        database: Where Dagster's database is: DAGSTER_POSTGRES_HOST, _DB and _USER.
    """

    image: str
    network: str
    binds: tuple[str, str]
    database: Mapping[str, str]

    @classmethod
    def from_environment(cls) -> "Place":
        """As docker-compose.yml tells it.

        Raises:
            KeyError: A variable isn't set.
        """
        return cls(
            image=os.environ["STACK_IMAGE"],
            network=os.environ.get("GATE_NETWORK", "bionicpro_platform"),
            binds=(
                f"{os.environ.get('GATE_CONFIG_VOLUME', 'bionicpro_platform_config')}:{SETTINGS_FOLDER}:ro",
                f"{os.environ.get('GATE_PAGES_VOLUME', 'bionicpro_platform_pages')}:{PAGES_FOLDER}",
            ),
            database={
                name: os.environ[name]
                for name in ("DAGSTER_POSTGRES_HOST", "DAGSTER_POSTGRES_DB", "DAGSTER_POSTGRES_USER")
            },
        )


def container(place: Place, body: bytes) -> dict[str, Any]:
    """The container to make for a request.

    Raises:
        RefusedError: The request isn't the one that Dagster's launcher makes, with docker/dagster.yaml as it is here.
    """
    asked = strict_json(body)
    run, job = _run(place, asked)
    _same("", asked, _expected(place, asked, run, job))
    sizes = {name: asked["HostConfig"][name] for name in SIZES}
    environment = _environment(place, job) | {"DAGSTER_HOME": SETTINGS_FOLDER}
    return {
        "Image": place.image,
        "User": USER,
        "Entrypoint": ["entrypoint.sh"],
        "Cmd": _command(json.dumps(_arguments(place, run, job))),
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": {LABEL: "true", **_labels(run, job)},
        "HostConfig": _host(place) | {"MemorySwap": sizes["Memory"], "Privileged": False, "IpcMode": "private"} | sizes,
    }


def strict_json(text: bytes | str) -> Any:
    """JSON that means one thing: without keys that differ in nothing but the size of letters, or not at all.

    Raises:
        RefusedError: It isn't such JSON.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = set()
        for name, _ in found:
            if name.casefold() in seen:
                raise RefusedError(f"{_name(name)} is there more than once")
            seen.add(name.casefold())
        return dict(found)

    def constant(name: str) -> Any:
        raise RefusedError(f"{name} isn't JSON")

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError):
        raise RefusedError("it isn't JSON") from None


def _expected(place: Place, asked: Any, run: str, job: str) -> dict[str, Any]:
    """What the launcher asks for, for this run."""
    host = _host(place)
    if isinstance(asked.get("HostConfig"), dict):
        host |= {name: _size(name, asked["HostConfig"].get(name)) for name in SIZES}
    # In any order, as dagster.yaml has them.
    wanted = [f"{name}={value}" for name, value in _environment(place, job).items()]
    given = asked.get("Env")
    known = isinstance(given, list) and all(type(e) is str for e in given) and sorted(given) == sorted(wanted)
    return {
        **OF_THE_CLIENT,
        "Image": place.image,
        "Cmd": asked["Cmd"],  # read already
        "Env": given if known else wanted,
        "Labels": _labels(run, job),
        "HostConfig": host,
        # The client leaves the level "EndpointsConfig" out, and the engine overlooks it; ours is NetworkMode.
        "NetworkingConfig": {place.network: None},
    }


def _host(place: Place) -> dict[str, Any]:
    return {
        "NetworkMode": place.network,
        "Binds": list(place.binds),
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "Tmpfs": {"/tmp": "size=256m"},  # noqa: S108 - a folder inside the container
        "Init": True,
    }


def _environment(place: Place, job: str) -> dict[str, str]:
    return {
        "BIONICPRO_ENV_FILE": f"{SETTINGS_FOLDER}/settings.env",
        "BIONICPRO_PAGES": PAGES_FOLDER,
        **place.database,
        "DAGSTER_POSTGRES_PASSWORD_FILE": f"{SETTINGS_FOLDER}/dagster_db_password",
        "STACK_IMAGE": place.image,
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        "DAGSTER_RUN_JOB_NAME": job,
    }


def _labels(run: str, job: str) -> dict[str, str]:
    return {"dagster/run_id": run, "dagster/job_name": job}


def _command(arguments: str) -> list[str]:
    return ["dagster", "api", "execute_run", arguments]


def _arguments(place: Place, run: str, job: str) -> dict[str, Any]:
    """Dagster's ExecuteRunArgs. A run has its own instance, of its DAGSTER_HOME: a reference to one names code."""
    return {
        "__class__": "ExecuteRunArgs",
        "instance_ref": None,
        "pipeline_origin": {
            "__class__": "PipelinePythonOrigin",
            "pipeline_name": job,
            "repository_origin": {
                "__class__": "RepositoryPythonOrigin",
                "code_pointer": {
                    "__class__": "ModuleCodePointer",
                    "fn_name": "defs",
                    "module": "bionicpro_assets.definitions",
                    "working_directory": "/opt/dagster",
                },
                "container_context": {},
                "container_image": place.image,
                "entry_point": ["dagster"],
                "executable_path": "/opt/venv/bin/python",
            },
        },
        "pipeline_run_id": run,
        "set_exit_code_on_failure": None,
    }


def _run(place: Place, asked: Any) -> tuple[str, str]:
    """Number and job of the run, out of the command, which must be the launcher's."""
    if type(asked) is not dict:
        raise RefusedError("the request isn't an object")
    command = asked.get("Cmd")
    if type(command) is not list or len(command) != 4 or type(command[3]) is not str or command != _command(command[3]):
        raise RefusedError("Cmd isn't the command of a run")
    arguments = strict_json(command[3])
    if type(arguments) is not dict:
        raise RefusedError("Cmd isn't the command of a run: its argument isn't an object")
    run, origin = _number(arguments.get("pipeline_run_id")), arguments.get("pipeline_origin")
    job = origin.get("pipeline_name") if type(origin) is dict else None
    if type(job) is not str or not JOB_NAME.fullmatch(job):
        raise RefusedError("Cmd names no job")
    # The launcher's own instance is left out, whatever it is.
    _same("Cmd.", arguments | {"instance_ref": None}, _arguments(place, run, job))
    return run, job


def _number(value: Any) -> str:
    try:
        if type(value) is str and str(UUID(value)) == value:
            return value
    except ValueError:
        pass
    raise RefusedError("Cmd names no run")


def _size(name: str, value: Any) -> Any:
    least, most = SIZES[name]
    return value if type(value) is int and least <= value <= most else f"{least} … {most}"


def _same(where: str, asked: Any, expected: Any) -> None:
    """Whether both are the same, values and their types.

    Raises:
        RefusedError: They aren't; it names the first place where.
    """
    if type(asked) is not type(expected):
        raise RefusedError(f"{_name(where)} isn't what a run has")
    if type(asked) is dict:
        for name in asked:
            if name not in expected:
                raise RefusedError(f"{_name(where + name)} isn't for a run to have")
        for name, value in expected.items():
            if name not in asked:
                raise RefusedError(f"{_name(where + name)} is missing")
            _same(f"{where}{name}.", asked[name], value)
    elif asked != expected or (type(asked) is list and any(type(a) is not str for a in asked)):
        raise RefusedError(f"{_name(where)} isn't what a run has")


def _name(where: str) -> str:
    return repr(where.rstrip(".")[:80]).strip("'")
