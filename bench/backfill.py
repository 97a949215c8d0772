"""A long backfill through the real job, as Dagster runs it: time, memory, and what its storage keeps of it.

    python -W ignore -m bench.backfill --prostheses 100 --hours 8688
    python -W ignore -m bench.backfill --prostheses 2000 --hours 30
    python -W ignore -m bench.backfill --prostheses 2000 --hours 720
    python -W ignore -m bench.backfill --prostheses 20000 --hours 720

8688 hours are the year that can be loaded, 362 days: days that the mart is about to drop are refused.

The runs are those of a backfill over the whole range, one after another in this process; memory is the most that this
process held, with the embedded ClickHouse in it and without PostgreSQL. For comparison, some partitions are loaded
once more with a run each (`--singly`), in this process too, where the daemon would start one for every run.
"""

import argparse
import json
import os
import resource
import time
import uuid
from datetime import datetime
from pathlib import Path

from bench.sources import databases, fill, window, work_folder


def main() -> None:
    """Fill the sources, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=100)
    parser.add_argument("--hours", type=int, default=720)
    parser.add_argument("--singly", type=int, default=12, help="partitions that are loaded again with a run each")
    parser.add_argument("--json", type=lambda file: Path(file).absolute())
    arguments = parser.parse_args()
    hours = window(arguments.hours)
    with work_folder() as folder, databases(folder) as sources:
        fill(sources, arguments.prostheses, hours)
        os.environ |= {
            "BIONICPRO_CRM_DB_URL": sources.crm.url,
            "BIONICPRO_TELEMETRY_DB_URL": sources.telemetry.url,
            "BIONICPRO_CLICKHOUSE_URL": f"chdb://{folder}/clickhouse",
            "BIONICPRO_HOME": str(folder / "home"),
            "BIONICPRO_ROLLUP": "external",
            "BIONICPRO_PARTITIONS_START": f"{hours[0]:%Y-%m-%dT%H:%M}",
        }
        os.chdir(folder)
        figures = backfill(hours, folder, arguments.singly)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def backfill(hours: list[datetime], folder: Path, singly: int) -> dict[str, float]:
    """Run the job over all hours, and some of them one by one; print what it took, and give it back."""
    from bionicpro_assets.databases import clickhouse_of
    from bionicpro_assets.defs import keys
    from bionicpro_assets.instance import dagster_instance, run_job
    from bionicpro_assets.settings import Settings
    from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema

    settings = Settings.load()
    with clickhouse_of(settings) as clickhouse:
        apply_clickhouse_schema(clickhouse)
    with dagster_instance(settings) as instance:

        def load(part: list[datetime]) -> None:
            outcome = run_job(settings, instance, part, str(uuid.uuid4()))
            if outcome.failures:
                raise SystemExit("\n".join(outcome.failures))

        began, processor = time.monotonic(), time.process_time()
        runs = range(0, len(hours), settings.hours_per_run)
        for i in runs:
            load(hours[i : i + settings.hours_per_run])
        seconds, processor = time.monotonic() - began, time.process_time() - processor
        there = {key: len(instance.get_materialized_partitions(key)) for key in keys.PUBLISHED}
        began = time.monotonic()
        for hour in hours[len(hours) - singly :]:
            load([hour])
        one_by_one = time.monotonic() - began
    if set(there.values()) != {len(hours)}:
        raise SystemExit(f"Not every partition is materialised: {there}")
    kept = sum(f.stat().st_size for f in (folder / "home").rglob("*") if f.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(  # noqa: T201
        f"{len(hours)} hours in {len(runs)} runs: {seconds:.0f} s by the clock, {processor:.0f} s of the processor, "
        f"{peak / 1e6:.0f} MB at most; every partition of {len(there)} assets materialised; Dagster keeps "
        f"{kept / 1e6:.0f} MB"
    )
    if singly:
        ratio = one_by_one / singly / (seconds / len(hours))
        print(f"{singly} of them again with a run each: {one_by_one:.0f} s, {ratio:.0f} times as long a partition")  # noqa: T201
    return {"seconds": seconds, "processor": processor, "peak_mib": peak / (1 << 20)}


if __name__ == "__main__":
    main()
