"""What reading the sources costs PostgreSQL: the roll-up by its view and from its table, and the states of the sources.

    python -W ignore -m bench.reading_sources [--prostheses 300000] [--hours 3] [--rounds 5]

Seconds of processor time of the server, all its processes, through ADBC as the extracts read; the questions take turns.
The rows of both ways are compared by their bits.
"""

import argparse
import statistics
import sys
from collections.abc import Callable

import polars as pl

from bench.measure import server_seconds
from bench.sources import databases, fill, window, work_folder
from bionicpro_assets.extract.changes import hour_states
from bionicpro_assets.extract.crm import crm_state
from bionicpro_assets.extract.known_view import table_may_be_read
from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.hours import HOUR
from bionicpro_assets.sqlfiles import sql, with_instants

VIEW, TABLE = "the roll-up's rows, by the view", "the roll-up's rows, from the table"
Question = Callable[[Snapshot], object]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=300_000)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    hours = window(arguments.hours)
    with work_folder() as folder, databases(folder) as sources:
        customers, rows = fill(sources, arguments.prostheses, hours)
        queries = {
            name: with_instants(sql(f"telemetry/queries/{file}.sql"), since=hours[0], until=hours[-1] + HOUR)
            for name, file in ((VIEW, "hourly_telemetry"), (TABLE, "hourly_telemetry_from_table"))
        }
        questions: dict[str, tuple[PostgresSource, Question]] = {
            VIEW: (sources.telemetry, lambda snapshot: snapshot.read(queries[VIEW])),
            TABLE: (sources.telemetry, lambda snapshot: snapshot.read(queries[TABLE])),
            "whether the table may be read": (sources.telemetry, table_may_be_read),
            "the state of the hours": (sources.telemetry, lambda snapshot: hour_states(snapshot, hours)),
            "the state of the CRM": (sources.crm, crm_state),
        }
        used: dict[str, list[float]] = {name: [] for name in questions}
        for _ in range(arguments.rounds):
            answers = {}
            for name, (source, question) in questions.items():
                with source.snapshot() as snapshot:
                    before = server_seconds(sources.postmaster)
                    answers[name] = question(snapshot)
                    used[name].append(server_seconds(sources.postmaster) - before)
            if not _same(answers[VIEW], answers[TABLE]) or not answers["whether the table may be read"]:
                raise SystemExit("The table doesn't give the rows of the view.")
    sys.stdout.write(f"{rows} rows of {arguments.hours} hours; {customers} customers; {arguments.rounds} rounds\n")
    for name, seconds in used.items():
        sys.stdout.write(f"{name}: {statistics.median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f}\n")


def _same(one: object, other: object) -> bool:
    """Whether both are the same rows, in any order; reals by their bits too, since 0 equals -0."""
    if not isinstance(one, pl.DataFrame) or not isinstance(other, pl.DataFrame):
        return False
    one, other = (rows.sort("hour_start", "chip_id") for rows in (one, other))
    reals = [name for name, dtype in one.schema.items() if dtype.is_float()]
    return one.equals(other) and all(_bits(one[name]) == _bits(other[name]) for name in reals)


def _bits(reals: pl.Series) -> bytes:
    return reals.fill_null(0).to_numpy().tobytes()


if __name__ == "__main__":
    main()
