"""Dagster's share of a refresh: events, their bytes and processor time, by the storage that keeps them.

    python -W ignore -m bench.events [--prostheses 1000] [--hours 3] [--rounds 3] [--types]

Each storage records the same job in a process of its own, on the same databases: once to have a history, then so many
times, of which the medians are shown. Nothing changes in between, as in most quarters of an hour. Processor time is
that of the main thread, which Dagster runs in, without the work of the assets and without building the definitions;
PostgreSQL's own isn't in it. Bytes are those of the events as Dagster serialises them. With `--types` they are shown by
type of event too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import yaml

from bench.competitors.ours import configure, make_schema
from bench.measure import Job, instants
from bench.sources import databases, fill, window, work_folder
from bench.where import REST, Where
from bionicpro_assets.event_log import batch_events
from bionicpro_assets.hours import HOUR, hour_range
from bionicpro_assets.instance import PROJECT
from bionicpro_assets.sqlite_storage import configuration

WRITING, READING, BUILDING = "writing events", "reading them", "building the definitions"
READERS = ("get_", "fetch_", "all_", "has_", "supports_", "can_")
OURS = "this platform's, SQLite"


def storages(home: Path, job: Job) -> dict[str, str]:
    """What dagster.yaml says of each storage."""

    def named(section: str, module: str, name: str, **config: str) -> str:
        return yaml.safe_dump({section: {"module": module, "class": name, "config": config}})

    database = f"postgresql+psycopg2://postgres@{job.host}:{job.port}/dagster"
    postgres = {"module": "bionicpro_assets.postgres_storage", "class": "BatchedPostgresStorage"}
    return {
        "Dagster's own, SQLite": "",
        "Dagster's own, SQLite in one file": named(
            "event_log_storage",
            "dagster._core.storage.event_log",
            "ConsolidatedSqliteEventLogStorage",
            base_dir=str(home / "one"),
        ),
        "Dagster's own, PostgreSQL": yaml.safe_dump({"storage": {"postgres": {"postgres_url": database}}}),
        "this platform's, PostgreSQL": yaml.safe_dump(
            {"storage": {"custom": postgres | {"config": {"postgres_url": f"{database}_too"}}}}
        ),
        OURS: configuration(home),
    }


def main() -> None:
    """Measure, and print the tables."""
    if len(sys.argv) > 1 and sys.argv[1] == "record":
        _record(Job(**json.loads(sys.argv[2])), Path(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--types", action="store_true")
    arguments = parser.parse_args()
    found = measured(arguments.prostheses, arguments.hours, arguments.rounds)
    sys.stdout.write(f"{as_table(found)}\n")
    if arguments.types:
        sys.stdout.write(f"\n{by_type(found)}\n")


def measured(prostheses: int, hours: int, rounds: int) -> dict[str, dict[str, Any]]:
    """What was recorded, and what it took, by storage."""
    found = {}
    with work_folder() as folder, databases(folder) as sources:
        span = window(hours)
        fill(sources, prostheses, span)
        connection = psycopg2.connect(sources.crm.url)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE dagster")
            cursor.execute("CREATE DATABASE dagster_too")
        job = Job(
            sources.crm.url, sources.telemetry.url, sources.host, sources.port,
            int(span[0].timestamp()), int((span[-1] + HOUR).timestamp()), str(folder / "ours"), sources.postmaster,
        )  # fmt: skip
        configure(job)
        make_schema(job)
        for number, name in enumerate(storages(folder, job)):
            home = folder / f"dagster-{number}"
            home.mkdir()
            profile = (PROJECT / "dagster.yaml").read_text(encoding="utf-8")
            (home / "dagster.yaml").write_text(f"{profile}\n{storages(home, job)[name]}", encoding="utf-8")
            command = [sys.executable, "-W", "ignore", "-m", "bench.events", "record"]
            command += [json.dumps(asdict(job)), str(home), str(rounds)]
            said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - this module
            found[name] = json.loads(said.strip().splitlines()[-1])
            sys.stderr.write(f"{name}: {found[name]['seconds']}\n")
    return found


def _record(job: Job, home: Path, rounds: int) -> None:
    """Run the job with the instance in `home`, and tell."""
    from bionicpro_assets import instance
    from bionicpro_assets.settings import Settings

    configure(job)
    os.environ["DAGSTER_HOME"] = str(home)
    batch_events()
    settings = Settings.load()
    since, until = instants(job)
    where = Where(time.thread_time)
    where.install()
    instance.build_definitions = where.timed(BUILDING, instance.build_definitions)
    dg.Definitions.resolve_job_def = where.timed(BUILDING, dg.Definitions.resolve_job_def)  # type: ignore[method-assign]
    seconds: list[dict[str, float]] = []
    with instance.dagster_instance(settings) as dagster:
        for name, kind in _methods(dagster.event_log_storage):
            setattr(dagster.event_log_storage, name, where.timed(kind, getattr(dagster.event_log_storage, name)))
        for _ in range(1 + rounds):
            where.seconds.clear()
            where.begin()
            run_id = str(uuid.uuid4())
            outcome = instance.run_job(settings, dagster, hour_range(since, until - HOUR), run_id)
            if outcome.failures:
                raise RuntimeError("\n".join(outcome.failures))
            taken = where.end()
            seconds.append({kind: taken.get(kind, 0.0) for kind in (WRITING, READING, REST)})
        events, size = Counter[str](), Counter[str]()
        for entry in dagster.all_logs(run_id):
            kind = entry.dagster_event.event_type_value if entry.dagster_event else "LOG"
            events[kind] += 1
            size[kind] += len(entry.to_json())
    medians = {kind: statistics.median(s[kind] for s in seconds[1:]) for kind in seconds[0]}
    told = {"events": events, "bytes": size, "seconds": medians}
    sys.stdout.write(f"{json.dumps(told)}\n")


def _methods(storage: Any) -> Iterator[tuple[str, str]]:
    """The storage's methods that are timed, and as what."""
    for name in dir(type(storage)):
        if callable(getattr(type(storage), name)):
            if name in ("store_event", "store_event_batch"):
                yield name, WRITING
            elif name.startswith(READERS):
                yield name, READING


def as_table(found: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of the storages."""
    lines = [
        "| storage | events | bytes | Dagster, s of processor | writing events | reading them | everything else |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, told in found.items():
        writing, reading, rest = told["seconds"].values()
        lines.append(
            f"| {name} | {sum(told['events'].values())} | {sum(told['bytes'].values()):,} | "
            f"{writing + reading + rest:.2f} | {writing:.2f} | {reading:.2f} | {rest:.2f} |"
        )
    return "\n".join(lines)


def by_type(found: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of the events, by type: as Dagster's own storage has them, and as this platform's."""
    dagsters, ours = next(iter(found.values())), found[OURS]
    lines = ["| event | Dagster's own: events | bytes | ours: events | bytes |", "|---|--:|--:|--:|--:|"]
    kinds = Counter[str](dagsters["bytes"] | {kind: 0 for kind in ours["bytes"] if kind not in dagsters["bytes"]})
    for kind, _ in kinds.most_common():
        cells = [f"{told[what].get(kind, 0):,}" for told in (dagsters, ours) for what in ("events", "bytes")]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
