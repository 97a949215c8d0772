"""One tick of the sensor of late hours: what changed in the sources, what of it is loaded, what to ask for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.metadata import SOURCE_READ_AT
from bionicpro_assets.extract.changes import (
    EMPTY,
    changed_hours,
    hour_states,
    hour_states_between,
    known_chips,
    new_raw_rows,
    raw_before,
    raw_rows,
    transactions,
)
from bionicpro_assets.extract.contract import HOURLY_TELEMETRY
from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.hours import HOUR, floor_hour
from bionicpro_assets.late.catch_up import catch_up, catch_up_hours
from bionicpro_assets.late.cursor import Cursor, Found, KnownChip, Look
from bionicpro_assets.late.plan import Plan, plan
from bionicpro_assets.late.record import (
    damage,
    first_load_at,
    joined_since,
    last_load_at,
    last_loaded,
    quarantined_hours,
    read_since,
    rolled_up_since,
)
from bionicpro_assets.load.refuse import first_kept
from bionicpro_assets.runs import asks, busy_hours
from bionicpro_assets.settings import Settings
from bionicpro_assets.steps.telemetry import SOURCE_STATE

# Comparing all recent hours, and asking the CRM about rejected chips, costs more than looking for changes.
COMPARE_EVERY = timedelta(minutes=30)
# now() in PostgreSQL is when the transaction began, which may be long before it first wrote and so got its number.
STAMPED_BEFORE = timedelta(hours=1)
# Without a cursor, what arrived since the first load is looked for, but no further back than this.
FIRST_LOOK = timedelta(hours=24)
# Hours looked up in Dagster's record in one tick, newest first; after a bulk load the others have to wait.
EXAMINED = 1000


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick came to."""

    plan: Plan
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Finder:
    """The sensor's work, without what is Dagster's about a sensor.

    Attributes:
        instance: Dagster's record.
        crm: The CRM.
        telemetry: The telemetry database.
        settings: The settings.
        now: Now, by this machine's clock.
    """

    instance: dg.DagsterInstance
    crm: PostgresSource
    telemetry: PostgresSource
    settings: Settings
    now: datetime

    @property
    def first(self) -> datetime:
        """The first hour that can be loaded: a partition, and not of a day about to be dropped from the mart."""
        return max(self.settings.partitions_start, first_kept(self.now))

    @property
    def until(self) -> datetime:
        """The end of the open hour."""
        return floor_hour(self.now) + HOUR

    def tick(self, cursor: Cursor | None) -> Tick:
        """Look at the sources, and decide what to ask for.

        Raises:
            SourceError: A source can't be read; nothing is to be remembered then.
        """
        with self.telemetry.snapshot() as snapshot:
            HOURLY_TELEMETRY.check(snapshot)
            running = transactions(snapshot)
            cursor = cursor or self._first_cursor(snapshot)
            compare = cursor.compared_at is None or snapshot.read_at >= cursor.compared_at + COMPARE_EVERY
            newest, counts = self._look_at_raw(snapshot, cursor)
            states = self._states(snapshot, cursor, compare)
        # After this look: what a transaction wrote that has ended only now is in it.
        cursor.settle(snapshot.read_at, running.oldest_running)
        cursor.looks.append(Look(snapshot.read_at, running.next, newest, counts))
        self._look_at_states(snapshot.read_at, states, cursor)
        if compare:
            self._look_at_quarantine(cursor)
            cursor.compared_at = snapshot.read_at
        return Tick(self._plan(cursor), cursor)

    def _first_cursor(self, snapshot: Snapshot) -> Cursor:
        """From the first load on: what was there before it was there for the load, too."""
        since = max(first_load_at(self.instance) or snapshot.read_at, snapshot.read_at - FIRST_LOOK)
        return Cursor(since, raw_before(snapshot, since) if self.settings.rollup == "platform" else None)

    def _look_at_raw(self, snapshot: Snapshot, cursor: Cursor) -> tuple[int, dict[datetime, int]]:
        """Raw rows since the last look; and those behind it, from transactions that were open then."""
        if self.settings.rollup == "external":
            # What the platform was yet to roll up is somebody else's to; that shows by the rows of the roll-up.
            cursor.raw.clear()
            cursor.settled_raw = None
            return 0, {}
        # The roll-up was external until now: begin here.
        settled = raw_before(snapshot, cursor.settled_at) if cursor.settled_raw is None else cursor.settled_raw
        cursor.settled_raw = settled
        bounds = [settled, *(max(settled, look.newest_raw) for look in cursor.looks)]
        again = raw_rows(snapshot, bounds, self.first, self.until)
        newest, counts = new_raw_rows(snapshot, bounds[-1], self.first, self.until)
        came = set(counts)
        for i, (look, rows) in enumerate(zip(cursor.looks, again, strict=True)):
            came |= {hour for hour, count in rows.items() if count > look.raw_rows.get(hour, 0)}
            cursor.looks[i] = replace(look, raw_rows=rows)
        cursor.raw |= dict.fromkeys(came, Found(snapshot.read_at))
        return newest, counts

    def _states(self, snapshot: Snapshot, cursor: Cursor, compare: bool) -> dict[datetime, str]:
        """The present state of the hours that changed, and, to compare, of all recent hours that are loaded."""
        since = cursor.settled_at - STAMPED_BEFORE
        states = hour_states(snapshot, changed_hours(snapshot, since, self.first, self.until))
        recent = catch_up_hours(self.settings, self.now) if compare else []
        if recent:
            between = hour_states_between(snapshot, recent[0], recent[-1] + HOUR)
            # An hour that was never loaded is the schedule's to catch up with. But one that couldn't be, and whose rows
            # were seen to change, may have lost the rows to blame.
            seen = cursor.changed.keys() & set(recent)
            seen |= last_loaded(self.instance, keys.TELEMETRY_EXTRACT, recent).keys()
            states |= {hour: between.get(hour, EMPTY) for hour in seen}
        return states

    def _look_at_states(self, read_at: datetime, states: Mapping[datetime, str], cursor: Cursor) -> None:
        """Remember the hours whose state isn't the one that reports show, or was read before the hour had ended.

        The source may say the same of those now; but until it is asked, nobody can tell that nothing came after.
        """
        extracts = last_loaded(self.instance, keys.TELEMETRY_EXTRACT, states)
        marts = last_loaded(self.instance, keys.MART, states)
        for hour, state in states.items():
            extract, mart = extracts.get(hour), marts.get(hour)
            as_loaded = extract is not None and extract.metadata.get(SOURCE_STATE) == state
            shown = read_since(mart, extract.instant(SOURCE_READ_AT) if extract else None)
            ended = hour + HOUR <= read_at
            if as_loaded and shown and (not ended or read_since(mart, hour + HOUR)):
                cursor.changed.pop(hour, None)
            elif hour not in cursor.changed or cursor.changed[hour].state != state:
                cursor.changed[hour] = Found(read_at, state)

    def _look_at_quarantine(self, cursor: Cursor) -> None:
        """Remember hours with telemetry of chips that the CRM has got to know, or changed, since they were loaded."""
        hours = {h: chips for h, chips in quarantined_hours(self.instance).items() if self.first <= h < self.until}
        if not hours:
            cursor.known_chips.clear()
            cursor.fitted.clear()
            return
        asked_at, known = known_chips(self.crm, set().union(*hours.values()))
        before = cursor.known_chips
        cursor.known_chips = {
            chip: before[chip] if chip in before and before[chip].says == says else KnownChip(says, asked_at)
            for chip, says in known.items()
        }
        seen = {chip: known_chip.seen_at for chip, known_chip in cursor.known_chips.items()}
        cursor.fitted = {
            hour: Found(max(seen[chip] for chip in chips if chip in seen))
            for hour, chips in hours.items()
            if not chips.isdisjoint(seen)
        }

    def _plan(self, cursor: Cursor) -> Plan:
        """Forget what was loaded meanwhile, and ask for what is late."""
        late_before = floor_hour(self.now - self.settings.lookback_hours * HOUR)
        for found in (cursor.changed, cursor.raw, cursor.fitted):
            for hour in [hour for hour in found if not self.first <= hour < self.until]:
                del found[hour]
        damaged = damage(self.instance)
        hours = sorted({*cursor.changed, *cursor.raw, *cursor.fitted, *damaged.hours}, reverse=True)[:EXAMINED]
        marts = last_loaded(self.instance, keys.MART, hours)
        _forget(cursor.changed, hours, lambda hour, found: read_since(marts.get(hour), found.at))
        rollups = last_loaded(self.instance, keys.HOURLY_STATS, cursor.raw.keys() & set(hours))
        _forget(cursor.raw, hours, lambda hour, found: rolled_up_since(rollups.get(hour), marts.get(hour), found.at))
        crm = last_loaded(self.instance, keys.CRM_EXTRACT, cursor.fitted.keys() & set(hours))
        _forget(cursor.fitted, hours, lambda hour, found: joined_since(crm.get(hour), marts.get(hour), found.at))
        wanted = {
            hour: max(found[hour].at for found in (cursor.changed, cursor.raw, cursor.fitted) if hour in found)
            for hour in hours
            if hour in {**cursor.changed, **cursor.raw, **cursor.fitted} and hour < late_before
        }
        for hour, since in damaged.hours.items():
            # What the hourly look found, and nobody has loaded since.
            loaded = marts.get(hour)
            if hour in hours and self.first <= hour < late_before and (loaded is None or loaded.at < damaged.at):
                wanted[hour] = max(wanted.get(hour, since), since)
        for hour in self._left_to_the_schedule(wanted.keys() - marts.keys()):
            del wanted[hour]
        if not wanted:
            return Plan([], [], [])
        return plan(
            wanted,
            "late hours",
            asked=asks(self.instance, since=min(wanted.values()) - timedelta(days=1)),
            busy=busy_hours(self.instance),
            now=self.now,
            loaded_at=last_load_at(self.instance),
        )

    def _left_to_the_schedule(self, never_loaded: set[datetime]) -> set[datetime]:
        """Of hours that were never loaded, those that aren't too old: the schedule catches up with them.

        But for those that it has given up: that one was corrected since, only the sensor sees.
        """
        left = never_loaded & set(catch_up_hours(self.settings, self.now))
        return left - set(catch_up(self.instance, self.settings, self.now).given_up) if left else set()


def _forget(
    found: dict[datetime, Found], hours: Iterable[datetime], is_loaded: Callable[[datetime, Found], bool]
) -> None:
    for hour in hours:
        if hour in found and is_loaded(hour, found[hour]):
            del found[hour]
