"""Publication: rows are written unseen, looked at once, and become visible by one row an hour in the journal."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b

import polars as pl

from bionicpro_assets.errors import DataError, PlatformError, PublicationError
from bionicpro_assets.frames import HourlyFrame, HourlyLoad
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.checksum import checksums
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.cluster import check_layout, wait_for_every_replica
from bionicpro_assets.load.fit import fit
from bionicpro_assets.load.parity import check_parity
from bionicpro_assets.load.refuse import refuse_hidden, refuse_misplaced
from bionicpro_assets.load.table import (
    END_OF_TIME,
    EPOCH,
    JOURNAL,
    Entry,
    HourlyTable,
    current_entries,
    rows_in_tables,
)
from bionicpro_assets.load.write import JOURNAL_SCHEMA, arrow_stream, new_publication_number
from bionicpro_assets.quality.claims import MART, REJECTED, TELEMETRY, Claim
from bionicpro_assets.quality.evaluate import ROWS_FOR_ONE, Audited, BlockedError, Look, account
from bionicpro_assets.quality.verdict import Found, HourVerdict, Verdict

ATTEMPTS = 5
RETRY_SECONDS = 60.0
HEAD_ROWS = 5
# What claims found in an hour, among what is said of it in the journal; only of those that don't hold.
FOUND = "found"
# A refresh has so few hours: they are looked at together and handed over in memory, however large the fleet.
HOURS_AT_ONCE = 4


@dataclass(slots=True)
class Publication:
    """What one publication did to one table.

    Attributes:
        number: Its number, in the journal and on its rows.
        entries: What the journal has of each hour: this publication, or the one that was confirmed.
        unchanged: Hours that were there already just so; they were confirmed and not written again.
        unread: Of these, the hours whose rows were neither read nor looked at: the state of their source is the same.
        superseded: Hours of which a newer read was already published; that one stays visible.
        verdicts: What the claims found, by name, on the hours whose rows were looked at.
        size: Bytes of the frames in memory, as Arrow.
        head: A few of the rows, as they were given.
        in_memory: Rows for the next step, by hour and publication, of the columns that the load hands over.
        rows_in_table: Visible rows of all hours that are kept, by the journal.
    """

    number: int
    entries: dict[datetime, Entry] = field(default_factory=dict)
    unchanged: list[datetime] = field(default_factory=list)
    unread: list[datetime] = field(default_factory=list)
    superseded: Sequence[datetime] = ()
    verdicts: dict[str, HourVerdict] = field(default_factory=dict)
    size: int = 0
    head: pl.DataFrame = field(default_factory=pl.DataFrame)
    in_memory: dict[tuple[datetime, int], pl.DataFrame] = field(default_factory=dict)
    rows_in_table: int = 0

    @property
    def rows_per_hour(self) -> dict[datetime, int]:
        """Rows of every hour, empty hours included."""
        return {hour: entry.row_count for hour, entry in self.entries.items()}

    def verdict(self, claim: Claim) -> HourVerdict:
        """What a claim on rows found: now, or when the rows were looked at that nothing has changed of since."""
        found = {
            hour: Found(*self.entries[hour].facts.get(FOUND, {}).get(claim.name, (self.entries[hour].row_count, 0, [])))
            for hour in self.unread
        }
        unread = Verdict(claim, {hour: of_hour for hour, of_hour in found.items() if of_hour.checked})
        return unread.joined(self.verdicts.get(claim.name))

    @property
    def rows(self) -> int:
        """Rows of all its hours."""
        return sum(entry.row_count for entry in self.entries.values())


class AlteredError(PublicationError):
    """Stored rows aren't those that were published: somebody changed them. They are to be written again."""

    def __init__(self, name: str, hours: Sequence[datetime]) -> None:
        super().__init__(f"{name}: the stored rows of {describe(hours)} aren't those that were published.")
        self.hours = {(name, hour) for hour in hours}


def publish(
    clickhouse: ClickHouse,
    load: HourlyLoad,
    *,
    run_id: str,
    batch_size: int,
    claims: Sequence[Claim] = (),
    now: datetime | None = None,
    attempts: int = ATTEMPTS,
) -> dict[str, Publication]:
    """Make the rows of a load the content of its hours in its tables, all at once or not at all.

    They are written part by part, and become visible as a whole. Nothing is visible before the last step, one
    INSERT of one block. A failure before it leaves the hours as they were; when only its answer is lost, at every
    attempt, they show the new rows although this fails.

    Where a failure may pass (a broken connection, a server short of memory), the whole publication is tried again,
    with growing pauses and for a minute at most; each attempt is a publication of its own, under its own number, so
    that a write whose answer was lost can't double anything.

    Args:
        clickhouse: Where to.
        load: The hours, and how they are read.
        run_id: Goes into the journal.
        batch_size: Rows in one Arrow batch on the way.
        claims: What must hold of the rows; those that block are looked at before anything is visible.
        now: What counts as now for the claims.
        attempts: How often to try.

    Returns:
        What was done to each table, by its name.

    Raises:
        DataError: The rows don't fit the table, or lie outside the hours covered or the retention; a blocking claim
            doesn't hold; or they insist on being seen, and a newer read hides them.
        PublicationError: ClickHouse stored, or answers, something else than was sent.
        ReplacedError: Another run published other rows of the tables that these rows were made of.
        ClickHouseError: ClickHouse can't be reached or refuses.
    """
    import tenacity

    retrying = tenacity.Retrying(
        # Another attempt would be made of the same rows.
        retry=tenacity.retry_if_exception(
            lambda e: isinstance(e, PlatformError) and e.retryable and not isinstance(e, ReplacedError)
        ),
        wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=10),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_after_delay(RETRY_SECONDS),
        reraise=True,
    )
    altered: set[tuple[str, datetime]] = set()

    def once() -> dict[str, Publication]:
        while True:
            attempt = _Attempt(clickhouse, load, run_id, batch_size, claims, altered, now)
            try:
                return attempt.made()
            except AlteredError as error:
                altered.update(error.hours)

    return retrying(once)


class ReplacedError(PublicationError):
    """What rows were made of isn't what is visible any more: another run published it meanwhile."""

    retryable = True

    def __init__(self, name: str, source: str, hours: Sequence[datetime]) -> None:
        super().__init__(
            f"{name} was made of rows of {source} that another run replaced meanwhile, in {describe(hours)}; nothing "
            f"was published. Load these hours of {name} again."
        )


class _Attempt:
    """One attempt to publish a load, under a number of its own."""

    def __init__(
        self,
        clickhouse: ClickHouse,
        load: HourlyLoad,
        run_id: str,
        batch_size: int,
        claims: Sequence[Claim],
        altered: set[tuple[str, datetime]],
        now: datetime | None,
    ) -> None:
        self.clickhouse, self.load, self.run_id, self.batch_size = clickhouse, load, run_id, batch_size
        self.claims = [claim for claim in claims if claim.table in load.tables]
        self.altered, self.now = altered, now
        self.started_at = datetime.now(UTC)
        self.tables = {name: HourlyTable.of(clickhouse, name) for name in load.tables}
        for table in self.tables.values():
            check_layout(clickhouse, table)
        self.window = (min(load.hours), max(load.hours) + HOUR) if load.hours else (self.started_at, self.started_at)
        self.current = current_entries(clickhouse, load.tables, *self.window)
        number = new_publication_number()
        self.done = {name: Publication(number) for name in load.tables}
        # What is about to be the journal's; and the hours that are still to be looked at, with their publication.
        self.entries: dict[str, dict[datetime, Entry]] = {name: {} for name in load.tables}
        self.waiting: dict[str, dict[datetime, int]] = {name: {} for name in load.tables}
        self.audited: dict[str, dict[datetime, Audited]] = {name: {} for name in load.tables}
        self.inputs: dict[str, dict[datetime, Entry]] = {}
        self.consulted: dict[str, Mapping[datetime, int]] = {}

    def made(self) -> dict[str, Publication]:
        """Write, look, commit; what was done."""
        with closing(self.load.parts(self.current)) as parts:
            for part in parts:
                for name, frame in part.items():
                    self.write(name, frame)
                del part, frame
                self.look_now_and_then()
        for name in self.load.tables:
            covered = sorted(self.entries[name])
            if covered != sorted(self.load.hours):
                raise DataError(
                    f"{name}: the rows should be of {describe(self.load.hours)}, and are of {describe(covered)}."
                )
        self.look()
        self.commit()
        return self.done

    def write(self, name: str, frame: HourlyFrame) -> None:
        """Store the rows of some hours under the number, unseen, but for those that are there already."""
        table, done, current = self.tables[name], self.done[name], self.current[name]
        rows = fit(frame.rows, table.columns, name)
        refuse_misplaced(frame, rows, name, self.started_at)
        sent, counts = checksums(rows, table.summed_columns), frame.rows_per_hour()
        same: list[datetime] = []
        changed: list[datetime] = []
        for hour in frame.hours_read:
            content, entry = sent[hour].content if hour in sent else 0, current.get(hour)
            alike = entry is not None and (entry.row_count, entry.content) == (counts[hour], content)
            (same if alike and (name, hour) not in self.altered else changed).append(hour)
        refuse_hidden({hour: current[hour] for hour in changed if hour in current}, name, self.started_at)
        new = rows if not same else rows.filter(pl.col("hour_start").is_in(changed))
        if not new.is_empty():
            stamped = new.with_columns(pl.lit(done.number, dtype=pl.UInt64).alias("publication"))
            self.clickhouse.insert_arrow_stream(table.storage, stamped.columns, arrow_stream(stamped, self.batch_size))
        for hour in frame.hours:
            read_at, facts = frame.read_at[hour], frame.facts.get(hour, {})
            if hour in frame.confirmed:
                entry = replace(frame.confirmed[hour], source_read_at=read_at)
            elif hour in same:
                entry = replace(current[hour], source_read_at=read_at, compared_at=read_at, facts=facts)
            else:
                made = sent.get(hour)
                checksum, content = (made.checksum, made.content) if made else (0, 0)
                entry = Entry(
                    done.number, read_at, counts[hour], checksum, "", content, compared_at=read_at, facts=facts
                )
            self.entries[name][hour] = replace(
                entry, run_id=self.run_id, made_of=frame.made_of.get(hour, entry.made_of)
            )
        done.unread += list(frame.confirmed)
        done.unchanged += [*frame.confirmed, *same]
        self.waiting[name] |= {hour: self.entries[name][hour].number for hour in frame.hours_read}
        self.inputs |= {key: {**self.inputs.get(key, {}), **entries} for key, entries in frame.inputs.items()}
        if frame.consulted is not None:
            self.consulted[name] = frame.consulted
        self._keep(name, frame, rows)

    def _keep(self, name: str, frame: HourlyFrame, rows: pl.DataFrame) -> None:
        """What is told of the rows, and handed to the next step."""
        done = self.done[name]
        done.size += int(rows.estimated_size())
        if done.head.is_empty():
            # Copied: a slice would keep the whole part in memory.
            done.head = pl.DataFrame(frame.rows.head(HEAD_ROWS).to_dicts(), schema=frame.rows.schema)
        kept = rows.height + sum(len(found) for found in done.in_memory.values())
        if self.load.hand_over and (len(self.load.hours) <= HOURS_AT_ONCE or kept <= self.load.chunk_rows):
            handed = rows.select(self.load.hand_over)
            of_hour = handed.partition_by("hour_start", as_dict=True) if len(frame.hours_read) > 1 else {}
            for hour in frame.hours_read:
                found = of_hour.get((hour,), handed.clear()) if of_hour else handed
                done.in_memory[hour, self.entries[name][hour].number] = found

    def look_now_and_then(self) -> None:
        """Look at the rows that wait for it, if they are many and of many hours: ClickHouse takes them all at once."""
        rows = sum(self.entries[name][h].row_count for name, hours in self.waiting.items() for h in hours)
        hours = max(len(numbers) for numbers in self.waiting.values())
        if hours > HOURS_AT_ONCE and rows >= self.load.chunk_rows * ROWS_FOR_ONE:
            self.look()

    def look(self) -> None:
        """Look at the rows that were written or found unchanged since the last look, one statement a table.

        Raises:
            PublicationError: What is stored isn't what was sent.
            BlockedError: A blocking claim doesn't hold.
        """
        waiting = {name: numbers for name, numbers in self.waiting.items() if numbers}
        looks = {}
        for name, numbers in waiting.items():
            hours = sorted(numbers)
            looks[name] = Look(
                self.clickhouse,
                hours,
                {**_numbers(self.inputs, hours), **_numbers(self.entries, hours)},
                {hour: entry for hour, entry in self.inputs.get(TELEMETRY, {}).items() if hour in numbers},
                _numbers(self.current, hours),
                int((self.now or datetime.now(UTC)).timestamp()),
            )
            found = looks[name].audit(name, self.claims)
            self._compare(name, found)
            self.audited[name] |= found
        if MART in looks and REJECTED in looks and TELEMETRY in self.inputs:
            telemetry = {hour: (entry.row_count, entry.accounting) for hour, entry in looks[MART].telemetry.items()}
            mart, rejected = ({h: self.audited[name][h] for h in looks[name].hours} for name in (MART, REJECTED))
            account(mart, rejected, telemetry)
        for name, look in looks.items():
            found = {hour: self.audited[name][hour] for hour in look.hours}
            self._judge(
                name, [look.verdict(claim, found) for claim in self.claims if claim.table == name and claim.screen]
            )
        self.waiting = {name: {} for name in self.waiting}

    def _compare(self, name: str, found: Mapping[datetime, Audited]) -> None:
        entries, number = self.entries[name], self.done[name].number
        wrong = [
            h for h, a in found.items() if (a.row_count, a.checksum) != (entries[h].row_count, entries[h].checksum)
        ]
        altered = [hour for hour in wrong if entries[hour].number != number]
        if altered:
            raise AlteredError(name, altered)
        if wrong:
            raise PublicationError(
                f"{self.clickhouse.place}: {self.tables[name].storage} gave back other rows than were sent, in "
                f"{describe(wrong)}: {sum(entries[hour].row_count for hour in wrong)} rows sent, "
                f"{sum(found[hour].row_count for hour in wrong)} found. Nothing was made visible."
            )
        for hour, audited in found.items():
            entries[hour] = replace(entries[hour], accounting=audited.accounting)

    def _judge(self, name: str, verdicts: Sequence[HourVerdict]) -> None:
        blocking = [verdict for verdict in verdicts if verdict.claim.blocking and not verdict.passed]
        if blocking:
            raise BlockedError(name, blocking)
        known, entries = self.done[name].verdicts, self.entries[name]
        for verdict in verdicts:
            known[verdict.claim.name] = verdict.joined(known.get(verdict.claim.name))
            for hour in verdict.failing:
                of_hour = {**entries[hour].facts.get(FOUND, {}), verdict.claim.name: astuple(verdict.found[hour])}
                entries[hour] = replace(entries[hour], facts={**entries[hour].facts, FOUND: of_hour})

    def commit(self) -> None:
        """Make all hours of all tables visible, and see that readers get them."""
        self._refuse_outdated()
        for name, done in self.done.items():
            entries = self.entries[name]
            if name in self.consulted:
                consulted = {**self.consulted[name], **{hour: entry.number for hour, entry in entries.items()}}
                entries = {
                    hour: replace(entry, made_of=with_consulted(entry.made_of, consulted))
                    for hour, entry in entries.items()
                }
                self.entries[name] = entries
            if self.clickhouse.cluster:
                new = {hour: entry for hour, entry in entries.items() if entry.number == done.number}
                written = {hour: (entry.row_count, entry.checksum) for hour, entry in new.items()}
                # What is confirmed was waited for when it was published.
                if new:
                    numbers = dict.fromkeys(new, done.number)
                    wait_for_every_replica(self.clickhouse, self.tables[name], numbers, written)
        journal = self._journal()
        # One batch is one block. As a stream, like the rows: the driver's insert() sends a block again by itself when
        # the answer is lost, and the commit would be journalled twice.
        self.clickhouse.insert_arrow_stream(JOURNAL, journal.columns, arrow_stream(journal, journal.height))
        seen = current_entries(self.clickhouse, self.load.tables, *self.window)
        totals = rows_in_tables(self.clickhouse, self.load.tables)
        for name, done in self.done.items():
            entries = self.entries[name]
            done.entries = dict(sorted(entries.items()))
            done.superseded = [hour for hour in self.load.hours if seen[name][hour].number != entries[hour].number]
            done.rows_in_table = totals[name]
            looked_at = {hour: (entries[hour].number, found.answers) for hour, found in self.audited[name].items()}
            check_parity(self.clickhouse, self.tables[name], sorted(looked_at), looked_at, seen[name])
            if done.superseded and self.load.insists:
                raise DataError(
                    f"{name}: of {describe(done.superseded)} a newer read was published meanwhile, and readers see "
                    "that one. Load these hours again.",
                    retryable=True,
                )

    def _refuse_outdated(self) -> None:
        """Refuse rows that were made with publications of which others have taken the place since."""
        first, until = self.window
        visible = current_entries(self.clickhouse, self.inputs, first, until) if self.inputs else {}
        for source, entries in self.inputs.items():
            now = {hour: visible[source][hour].number for hour in entries if hour in visible[source]}
            if replaced := [hour for hour, entry in entries.items() if now.get(hour) != entry.number]:
                raise ReplacedError(", ".join(self.load.tables), source, replaced)
        for name, consulted in self.consulted.items():
            # Where there was no hour beside the window, there may be one now, however far away.
            since = min(consulted, default=first) if min(consulted, default=first) < first else EPOCH
            end = max(consulted, default=first) + HOUR if max(consulted, default=first) >= until else END_OF_TIME
            found = current_entries(self.clickhouse, [name], since, end)[name]
            now = {h: e.number for h, e in found.items() if h in consulted or first <= h < until or e.row_count}
            changed = [hour for hour in {*now, *consulted} if now.get(hour) != consulted.get(hour)]
            if changed:
                raise DataError(
                    f"{name} was published for {describe(changed)} by another run meanwhile, and this one was made "
                    "without it; nothing was published. Load these hours again.",
                    retryable=True,
                )

    def _journal(self) -> pl.DataFrame:
        rows = [
            (name, hour, entry.number, entry.source_read_at, self.started_at, entry.row_count, entry.checksum,
             entry.content, entry.accounting, entry.made_of, entry.compared_at,
             json.dumps(entry.facts) if entry.facts else "", self.run_id)
            for name, entries in self.entries.items()
            for hour, entry in sorted(entries.items())
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=JOURNAL_SCHEMA, orient="row")


def with_consulted(made_of: str, consulted: Mapping[datetime, int]) -> str:
    """What rows were made of, together with the publications that were consulted when they were made."""
    if not made_of:
        return ""
    text = " ".join(f"{hour:%Y%m%d%H}:{number}" for hour, number in sorted(consulted.items()))
    return f"{made_of} {blake2b(text.encode(), digest_size=8).hexdigest()}"


def _numbers(
    entries: Mapping[str, Mapping[datetime, Entry]], hours: Sequence[datetime]
) -> dict[str, dict[datetime, int]]:
    return {name: {h: found[h].number for h in hours if h in found} for name, found in entries.items()}
