"""What changed in the sources, and in which hours: cheap questions, asked every few minutes."""

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.sqlfiles import sql, with_values
from bionicpro_assets.transform.join import nameless

# Raw rows are counted in pieces, so that a backlog of days is worked off over several ticks.
PIECE = 2_000_000
PIECES_SECONDS = 8.0
# The state of an hour without rows.
EMPTY = "0:0"


@dataclass(frozen=True, slots=True)
class Transactions:
    """Where a database's transactions stood at one instant.

    Attributes:
        oldest_running: Everything below it has ended.
        next: Nothing from it on had begun to write.
    """

    oldest_running: int
    next: int


@dataclass(frozen=True, slots=True)
class ChipState:
    """What the CRM says of a chip, as far as it decides whether the chip's hours have a wearer.

    Attributes:
        changed_at: When it last changed the prosthesis; None if it doesn't say, or says a time that can't be.
        rows: How many prostheses it names for the chip, and of how many of them the customer has a login and a name.
            A view or a customer may be mended without any stamp of the prosthesis.
    """

    changed_at: datetime | None
    rows: str


def transactions(snapshot: Snapshot) -> Transactions:
    """Where the transactions stand, for this snapshot."""
    snapshot.cursor.execute(sql("telemetry/queries/late_limits.sql"))
    return Transactions(*snapshot.read(sql("telemetry/queries/late_position.sql")).row(0))


def changed_hours(snapshot: Snapshot, since: datetime, first: datetime, until: datetime) -> list[datetime]:
    """Hours in [first, until) with a row of the roll-up that was written or changed since then."""
    query = with_values(sql("telemetry/queries/late_changed_hours.sql"), since=since, first=first, until=until)
    return sorted(snapshot.read(query)["hour"])


def hour_states(snapshot: Snapshot, hours: Collection[datetime]) -> dict[datetime, str]:
    """The state of each of the hours in the roll-up: another text after a change; EMPTY for hours without rows."""
    if not hours:
        return {}
    query = with_values(sql("telemetry/queries/late_hour_states.sql"), hours=sorted(hours))
    return dict.fromkeys(hours, EMPTY) | dict(snapshot.read(query).iter_rows())


def hour_states_between(snapshot: Snapshot, first: datetime, until: datetime) -> dict[datetime, str]:
    """The state of each hour in [first, until) that has rows."""
    query = with_values(sql("telemetry/queries/late_hour_states_between.sql"), first=first, until=until)
    return dict(snapshot.read(query).iter_rows())


def newest_raw(snapshot: Snapshot) -> int:
    """The greatest number of a raw row; 0 if there is none."""
    return int(snapshot.read(sql("telemetry/queries/late_newest_raw.sql")).item())


def raw_before(snapshot: Snapshot, since: datetime) -> int:
    """The number of the newest raw row that arrived before then; 0 if there is none."""
    rows = snapshot.read(with_values(sql("telemetry/queries/late_raw_before.sql"), since=since))
    return int(rows.item()) if rows.height else 0


def raw_rows(snapshot: Snapshot, bounds: Sequence[int], first: datetime, until: datetime) -> list[dict[datetime, int]]:
    """Raw rows per hour in [first, until), for each interval (bounds[i], bounds[i + 1]] of their numbers."""
    if len(bounds) < 2 or bounds[-1] <= bounds[0]:
        return [{} for _ in bounds[1:]]
    counts: list[dict[datetime, int]] = [{} for _ in bounds[1:]]
    query = with_values(
        sql("telemetry/queries/late_raw_rows.sql"),
        bounds=[bound + 1 for bound in bounds[:-1]],
        above=bounds[0],
        to=bounds[-1],
        first=first,
        until=until,
    )
    for hour, part, count in snapshot.read(query).iter_rows():
        counts[part - 1][hour] = count
    return counts


def new_raw_rows(snapshot: Snapshot, above: int, first: datetime, until: datetime) -> tuple[int, dict[datetime, int]]:
    """Raw rows per hour with numbers above that one, and up to which number they were counted.

    Up to the newest, unless there are so many that a tick would take too long.
    """
    newest, reached, deadline = newest_raw(snapshot), above, time.monotonic() + PIECES_SECONDS
    counts: dict[datetime, int] = {}
    while reached < newest and time.monotonic() < deadline:
        to = min(reached + PIECE, newest)
        (piece,) = raw_rows(snapshot, [reached, to], first, until)
        for hour, count in piece.items():
            counts[hour] = counts.get(hour, 0) + count
        reached = to
    return reached, counts


def known_chips(source: PostgresSource, chips: Collection[str]) -> tuple[datetime, dict[str, ChipState]]:
    """When the CRM was asked, by its own clock, and what it says of those of the chips that it knows.

    Raises:
        SourceError: The CRM can't be read.
    """
    from psycopg2.extensions import encodings

    with source.snapshot() as snapshot:
        # The text is asked in the database's own encoding; a chip that can't be written in it isn't there.
        codec = encodings.get(snapshot.encoding, "utf-8")
        askable = sorted(chip for chip in chips if chip.encode(codec, errors="ignore").decode(codec) == chip)
        rows = snapshot.read(sql("crm/queries/known_chips.sql"), [json.dumps(askable, ensure_ascii=False)])
    states = rows.group_by("chip_id").agg(
        pl.col("prosthesis_updated_at").max(), pl.len().alias("named"), (~nameless()).sum().alias("complete")
    )
    return snapshot.read_at, {
        chip: ChipState(changed_at, f"{named}:{complete}") for chip, changed_at, named, complete in states.iter_rows()
    }


def rows_of_state(state: str) -> int:
    """How many rows an hour of this state has."""
    return int(state.partition(":")[0])
