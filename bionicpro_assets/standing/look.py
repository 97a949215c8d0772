"""What stands: whether what was published is still there, long after it was loaded; and what can be mended at once."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.hours import HOUR, describe_ranges, floor_hour
from bionicpro_assets.load.clickhouse import OWN_DATABASES, ClickHouse
from bionicpro_assets.load.columns import hourly_tables
from bionicpro_assets.load.refuse import FORGET_THE_FUTURE, first_kept
from bionicpro_assets.load.table import JOURNAL, HourlyTable, current_entries, hour_of, rows_in_tables, seconds_of
from bionicpro_assets.quality.evaluate import Look
from bionicpro_assets.setup.changes import VERSION, Change, changes_of
from bionicpro_assets.setup.clickhouse import FOLDER, KINDS
from bionicpro_assets.sqlfiles import sql

# In how many hourly looks every month is read again. Coprime to 24: a machine that is off at night misses no month.
CYCLE = 71
HOURS_AT_ONCE = 168
# What nobody may add to a table: rows would be deleted, hidden or refused.
HARMFUL = ("TTL ", "CONSTRAINT ", "SAMPLE BY ")
CODEC = re.compile(r" CODEC\((?:[^()]|\([^()]*\))*\)")
# So many rows are read, and compared, while somebody waits: a few seconds.
MOST_ROWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What Dagster's record says of one hour of one table.

    Attributes:
        publication: The attempt that its last run made; rows that it found unchanged are of an older one.
        row_count: How many rows it has.
        source_read_at: When its source was read.
    """

    publication: int
    row_count: int
    source_read_at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """What Dagster's record says was loaded: it is kept elsewhere than the tables, so it knows what they have lost.

    Attributes:
        hours: The hours that were ever loaded, of a table by its public name.
        loaded: What was loaded last, of some hours of a table.
    """

    hours: Callable[[str], Collection[datetime]]
    loaded: Callable[[str, Collection[datetime]], Mapping[datetime, Loaded]]


@dataclass(slots=True)
class Standing:
    """What a look found.

    Attributes:
        damaged: By table, the hours that don't stand as they were published.
        unjournalled: Of these, the hours that the journal has lost.
        says: A sentence for everything that is wrong: what, where, which hours, what happens now.
        notices: What somebody should know of, and harms no report.
    """

    damaged: dict[str, set[datetime]] = field(default_factory=dict)
    unjournalled: dict[str, set[datetime]] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def hours(self) -> list[datetime]:
        """All hours that are damaged in any table."""
        return sorted(set().union(*self.damaged.values()))

    def damage(self, table: str, hours: Collection[datetime], words: str) -> None:
        """Note hours of a table, and say so."""
        if hours:
            self.damaged.setdefault(table, set()).update(hours)
            self.says.append(f"{table}: {words} in {describe_ranges(hours)}.")

    def add(self, other: "Standing") -> None:
        """Take in what another look found."""
        for table, hours in other.damaged.items():
            self.damaged.setdefault(table, set()).update(hours)
        self.says += other.says


def look(clickhouse: ClickHouse, record: Record | None, now: datetime) -> Standing:
    """Look at everything that is kept, without reading the rows: counts, definitions, parts, the journal.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    standing = Standing()
    # On a cluster every table is several, in other words than the files have.
    if clickhouse.cluster is None:
        _definitions(clickhouse, standing)
    _counts(clickhouse, record, standing, now)
    for name, seconds, last in clickhouse.rows(sql("clickhouse/queries/standing_future.sql"))[1]:
        standing.says.append(
            f"{name}: {describe_ranges(map(hour_of, seconds))} was read, by the journal, at {last} UTC, which hasn't "
            f"come yet. It hides whatever is loaded until then. Once all clocks are right: {FORGET_THE_FUTURE}"
        )
    standing.notices += [
        f"{table} has {parts} detached part{'s' if parts > 1 else ''} ({names[:200]}), broken or set aside by "
        "somebody. Their rows are in no report. Drop them once the hours are back: docs/damage.md."
        for table, parts, names in clickhouse.rows(sql("clickhouse/queries/standing_detached.sql"))[1]
    ]
    return standing


def _definitions(clickhouse: ClickHouse, standing: Standing) -> None:
    """What isn't as this version made it: tables and views that are gone, changed, or somebody else's."""
    changes = changes_of(FOLDER)
    ours = {change.target: change for change in changes if change.target}
    _, found = clickhouse.rows(sql("clickhouse/queries/standing_objects.sql"), {"databases": list(OWN_DATABASES)})
    there = {name: (engine, definition) for name, engine, definition in found}
    altered = " ".join(change.text for change in changes if change.target is None)
    for name, change in ours.items():
        if name not in there:
            standing.says.append(
                f"{name} is gone. Make views again with: bionicpro init clickhouse; a table comes from the backup."
            )
        elif name in altered:
            continue
        elif change.makes_view:
            if not _as_made(clickhouse, change, there[name][1]):
                standing.says.append(_changed(name, change, "bionicpro init clickhouse"))
        else:
            gone, added = _compared(clickhouse, change, there[name][1])
            if gone or any(line.startswith(HARMFUL) for line in added):
                standing.says.append(_changed(name, change, "ALTER TABLE, by whoever changed it"))
            elif added:
                standing.notices.append(
                    f"{name} has what version {VERSION} didn't give it: {'; '.join(sorted(added))}. Loads, reads and "
                    "the sweep live with that; no load fills a column that somebody added."
                )
    for name, (engine, _) in there.items():
        if name not in ours:
            kind = KINDS.get(engine, f"table, {engine}")
            standing.says.append(
                f"{name} ({kind}) was made by somebody else, and "
                f"{'stands among' if name.partition('.')[0] in OWN_DATABASES else 'copies or reads'} this platform's "
                "tables: no load, correction or erasure reaches its rows. Drop it, or move it to another database."
            )


def _changed(name: str, change: Change, undo: str) -> str:
    return (
        f"{name} isn't as version {VERSION} made it: somebody changed columns, keys, TTL or the query. See SHOW CREATE "
        f"TABLE {name} and sql/clickhouse/schema/{change.file}; undo it with {undo}."
    )


def _compared(clickhouse: ClickHouse, change: Change, definition: str) -> tuple[set[str], set[str]]:
    """Lines of a table's definition that it should have and hasn't, and those that it has beyond them.

    A codec doesn't count: it changes no value.
    """
    wanted, stands = ({*_lines(clickhouse, text)} for text in (change.text, definition))
    return wanted - stands, stands - wanted


def _lines(clickhouse: ClickHouse, definition: str) -> Iterator[str]:
    ((text,),) = clickhouse.rows("SELECT formatQuery({text:String})", {"text": definition})[1]
    # A projection is of several lines; its name is enough.
    text = re.sub(r"(PROJECTION \S+)\n +\(\n.*?\n    \)", r"\1", text, flags=re.DOTALL)
    for line in text.splitlines()[1:]:
        head, _, settings = line.partition("SETTINGS ")
        for part in settings.split(", ") if settings and not head else [CODEC.sub("", line)]:
            if (bare := part.strip().rstrip(",")) and bare != "index_granularity = 8192":
                yield bare


def _as_made(clickhouse: ClickHouse, change: Change, definition: str) -> bool:
    ((formatted,),) = clickhouse.rows("SELECT formatQuerySingleLine({text:String})", {"text": change.text})[1]
    wanted, stands = _plain(formatted), _plain(definition)
    head, _, rest = wanted.partition("COMMENT")
    if change.makes_view and "(" not in head:
        # ClickHouse writes the columns of the query into a view that names none.
        return stands.startswith(f"{head}(") and stands.endswith(f"COMMENT{rest}")
    return stands == wanted


def _plain(definition: str) -> str:
    """A definition without what differs though nobody changed it."""
    text = re.sub(r"^CREATE (OR REPLACE )?(TABLE|VIEW) (IF NOT EXISTS )?", r"\2 ", definition)
    text = re.sub(r" SETTINGS index_granularity = 8192\b(?!,)|, index_granularity = 8192\b", "", text)
    return re.sub(r"\s+", "", text)


def _counts(clickhouse: ClickHouse, record: Record | None, standing: Standing, now: datetime) -> None:
    first = first_kept(now)
    for name in hourly_tables():
        table = HourlyTable.of(clickhouse, name)
        found = _differing(clickhouse, table, first)
        if found:
            # A load may have committed between the two tables that one look reads.
            again = _differing(clickhouse, table, first)
            found = {hour: again[hour] for hour in found if again.get(hour) == found[hour]}
        wrong = {hour: counts for hour, (*counts, _) in found.items() if counts[0] != counts[1]}
        lacking = [hour for hour, (published, stored) in wrong.items() if stored < published]
        published, stored = (sum(wrong[hour][i] for hour in lacking) for i in (0, 1))
        standing.damage(name, lacking, f"of {published} rows that were published {published - stored} are gone,")
        added = [hour for hour in wrong if hour not in lacking]
        surplus = sum(wrong[hour][1] - wrong[hour][0] for hour in added)
        standing.damage(name, added, f"readers get {surplus} rows more than were published,")
        unknown = _settled(clickhouse, table, {hour: dict(numbers) for hour, (*_, numbers) in found.items() if numbers})
        if record:
            _journal(clickhouse, table, record, standing, unknown, first)


def _differing(
    clickhouse: ClickHouse, table: HourlyTable, first: datetime
) -> dict[datetime, tuple[int, int, list[tuple[int, int]]]]:
    query = sql("clickhouse/queries/standing_counts.sql").replace(":storage", table.storage)
    _, rows = clickhouse.rows(query, {"table_name": table.name, "first": seconds_of(first)})
    return {
        hour_of(seconds): (published, found, list(map(tuple, unknown))) for seconds, published, found, unknown in rows
    }


def _settled(
    clickhouse: ClickHouse, table: HourlyTable, unknown: Mapping[datetime, Mapping[int, int]]
) -> dict[datetime, dict[int, int]]:
    """Those of the publications that were written an hour ago: an attempt that is still going isn't journalled yet."""
    if not unknown:
        return {}
    numbers = sorted({number for of_hour in unknown.values() for number in of_hour})
    query = (
        f"SELECT publication FROM {table.storage} WHERE has({{numbers:Array(UInt64)}}, publication) "  # noqa: S608 - own names
        "GROUP BY publication HAVING max(written_at) < now() - 3600"
    )
    old = {number for (number,) in clickhouse.rows(query, {"numbers": numbers})[1]}
    kept = {hour: {n: rows for n, rows in of_hour.items() if n in old} for hour, of_hour in unknown.items()}
    return {hour: of_hour for hour, of_hour in kept.items() if of_hour}


def _journal(
    clickhouse: ClickHouse,
    table: HourlyTable,
    record: Record,
    standing: Standing,
    unknown: Mapping[datetime, Mapping[int, int]],
    first: datetime,
) -> None:
    """Hours that were loaded, and of which the journal has no publication, or not the last one."""
    span = {"table_name": table.name, "since": seconds_of(first), "until": 2**32 - 1}
    known = {hour_of(seconds) for seconds, _ in clickhouse.rows(sql("clickhouse/queries/doctor_hours.sql"), span)[1]}
    missing = {hour for hour in record.hours(table.name) if hour >= first} - known
    standing.damage(table.name, missing, "Dagster has loaded hours that the journal doesn't have,")
    last = record.loaded(table.name, unknown.keys() - missing) if unknown.keys() - missing else {}
    lost = {hour for hour, loaded in last.items() if loaded.publication in unknown[hour]}
    standing.damage(table.name, lost, "the journal has lost the last publication,")
    if missing | lost:
        standing.unjournalled[table.name] = missing | lost
    nobodys = unknown.keys() - missing - lost
    if nobodys:
        rows = sum(sum(unknown[hour].values()) for hour in nobodys)
        standing.says.append(
            f"{table.storage} has {rows} rows that nobody published, in {describe_ranges(nobodys)}: of a load that was "
            "killed, or written by hand. No reader sees them; the sweep deletes them a day after they were written."
        )


def due(now: datetime, name: str, hours: Collection[datetime]) -> list[datetime]:
    """Of the hours of a table, those that the look at `now` reads again: a month, or none."""
    months = sorted({(hour.year, hour.month) for hour in hours})
    tables = hourly_tables()
    slot = (seconds_of(floor_hour(now)) // 3600 + tables.index(name) * CYCLE // len(tables)) % CYCLE
    turn = {i * CYCLE // len(months): month for i, month in enumerate(months)}.get(slot)
    return [hour for hour in hours if (hour.year, hour.month) == turn]


def read_again(clickhouse: ClickHouse, hours: Mapping[str, Collection[datetime]]) -> Standing:
    """Read all rows of some hours of some tables, and compare their checksums with the journal's.

    Raises:
        ClickHouseError: The rows can't be read.
    """
    standing = Standing()
    for name, of_table in hours.items():
        wanted, wrong = sorted(of_table), []
        for part in (wanted[i : i + HOURS_AT_ONCE] for i in range(0, len(wanted), HOURS_AT_ONCE)):
            entries = current_entries(clickhouse, [name], part[0], part[-1] + HOUR)[name]
            published = {hour: entries[hour] for hour in part if hour in entries}
            numbers = {name: {hour: entry.number for hour, entry in published.items()}}
            found = Look(clickhouse, list(published), numbers).audit(name, []) if published else {}
            wrong += [
                hour
                for hour, audited in found.items()
                # One that lacks rows is found by its count.
                if audited.row_count == published[hour].row_count and audited.checksum != published[hour].checksum
            ]
        standing.damage(name, wrong, "rows have other values than were published,")
    return standing


def examine(clickhouse: ClickHouse, record: Record | None, now: datetime) -> Standing:
    """Look at what stands without changing anything; of a mart that isn't large, all rows are read too.

    Without the record, what the journal has lost isn't seen.

    Raises:
        ClickHouseError: ClickHouse can't be read, and not because of a broken part.
    """
    try:
        return _examined(clickhouse, record, now)
    except ClickHouseError as error:
        if error.retryable or clickhouse.cluster:
            raise
        broken = broken_parts(clickhouse)
        if not broken:
            # Either it isn't a part, and is said again, or ClickHouse has set the part aside by itself meanwhile.
            return _examined(clickhouse, record, now)
        return Standing(
            says=[
                f"{name}: the files of the part {part} are damaged, so that its rows can't be read. The next hourly "
                "look, by bionicpro_sweep, sets it aside; then its hours are loaded again."
                for name, part in broken
            ]
        )


def _examined(clickhouse: ClickHouse, record: Record | None, now: datetime) -> Standing:
    standing = look(clickhouse, record, now)
    if sum(rows_in_tables(clickhouse, hourly_tables()).values()) <= MOST_ROWS:
        standing.add(read_again(clickhouse, {name: _published(clickhouse, name, now) for name in hourly_tables()}))
    return standing


def _published(clickhouse: ClickHouse, name: str, now: datetime) -> list[datetime]:
    """The hours of a table that are kept and were published."""
    return list(current_entries(clickhouse, [name], first_kept(now), floor_hour(now) + HOUR)[name])


def to_read(clickhouse: ClickHouse, doubted: Collection[datetime], now: datetime) -> dict[str, list[datetime]]:
    """By table, the hours whose turn it is to be read again, and those that are doubted."""
    kept = {name: _published(clickhouse, name, now) for name in hourly_tables()}
    return {name: sorted({*due(now, name, hours), *(set(hours) & set(doubted))}) for name, hours in kept.items()}


def broken_parts(clickhouse: ClickHouse) -> list[tuple[str, str]]:
    """Storage tables and their parts whose files aren't as ClickHouse wrote them; all files are read for it."""
    names = [JOURNAL, *(f"storage.{table.partition('.')[2]}" for table in hourly_tables())]
    by_part = {"check_query_single_value_result": 0}
    return [
        (name, part)
        for name in names
        for part, passed, _ in clickhouse.rows(f"CHECK TABLE {name}", settings=by_part)[1]
        if not int(passed)
    ]


def set_aside_broken_parts(clickhouse: ClickHouse) -> list[str]:
    """Detach the parts whose files are damaged, so that the rest can be read; sentences about them.

    Nothing can be read of such a part, and nothing beside it in one statement. Its files stay in the folder `detached`.
    """
    broken = broken_parts(clickhouse)
    for name, part in broken:
        try:
            clickhouse.command(f"ALTER TABLE {name} DETACH PART '{part}'")
        except ClickHouseError:
            # ClickHouse sets a part aside by itself a moment after it couldn't read it.
            if clickhouse.rows(sql("clickhouse/queries/standing_part.sql"), {"table": name, "part": part})[1]:
                raise
    return [f"{name}: the files of the part {part} are damaged; it was set aside." for name, part in broken]
