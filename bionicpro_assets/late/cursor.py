"""What the sensor of late hours remembers between two ticks, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from bionicpro_assets.extract.changes import ChipState
from bionicpro_assets.hours import parse_hour, partition_key

VERSION = 1
# A look at the source isn't settled sooner than this, and not before every transaction has ended that was running
# then: what one of them writes carries an earlier instant, or a smaller number, than what was seen.
OVERLAP = timedelta(minutes=10)
# A transaction that stays open for longer than this is no reason to read the same rows again for ever.
LONGEST_TRANSACTION = timedelta(hours=24)
# Nor for counting more raw rows again than a tick has time for: about a second per million.
MOST_ROWS = 20_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the source.

    Attributes:
        at: When, by the source's clock.
        next_transaction: No transaction from this number on had begun to write.
        newest_raw: Up to which number raw rows were counted.
        raw_rows: Raw rows per hour that came after the look before.
    """

    at: datetime
    next_transaction: int
    newest_raw: int
    raw_rows: Mapping[datetime, int]


@dataclass(frozen=True, slots=True)
class Found:
    """An hour that must be loaded again.

    Attributes:
        at: Since when, by the clock of the source that says so. A load that reads later than this will do.
        state: What the source said of the hour then, where that can be told.
    """

    at: datetime
    state: str = ""


@dataclass(frozen=True, slots=True)
class KnownChip:
    """A rejected chip that the CRM knows.

    Attributes:
        says: What the CRM says of it.
        seen_at: When it was first seen to say so, by the CRM's clock.
    """

    says: ChipState
    seen_at: datetime


@dataclass(slots=True)
class Cursor:
    """What is remembered.

    Attributes:
        settled_at: What changed before this is known, by the telemetry database's clock.
        settled_raw: Raw rows up to this number are known; None if they aren't counted.
        looks: Looks since then, oldest first.
        changed: Hours whose roll-up isn't what was last loaded.
        raw: Hours with raw rows that may not be rolled up yet.
        fitted: Hours with telemetry of a chip that the CRM has got to know since they were loaded.
        known_chips: Rejected chips that the CRM knows.
        compared_at: When all recent hours were last compared, by the telemetry database's clock.
    """

    settled_at: datetime
    settled_raw: int | None = None
    looks: list[Look] = field(default_factory=list)
    changed: dict[datetime, Found] = field(default_factory=dict)
    raw: dict[datetime, Found] = field(default_factory=dict)
    fitted: dict[datetime, Found] = field(default_factory=dict)
    known_chips: dict[str, KnownChip] = field(default_factory=dict)
    compared_at: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor as `json` wrote it.

        Raises:
            ValueError: It is of another version, or no cursor.
        """
        try:
            data = json.loads(text)
            if data["version"] != VERSION:
                raise ValueError(f"the cursor is of version {data['version']}")
            return cls(
                settled_at=_instant(data["settled_at"]),
                settled_raw=data["settled_raw"],
                looks=[
                    Look(_instant(at), transaction, raw, {parse_hour(hour): rows for hour, rows in hours.items()})
                    for at, transaction, raw, hours in data["looks"]
                ],
                changed=_found(data["changed"]),
                raw=_found(data["raw"]),
                fitted=_found(data["fitted"]),
                known_chips={
                    # Before, how many prostheses were named wasn't remembered: such a chip counts as changed, once.
                    chip: KnownChip(ChipState(_instant(changed) if changed else None, "".join(rows)), _instant(seen))
                    for chip, (changed, seen, *rows) in data["known_chips"].items()
                },
                compared_at=_instant(data["compared_at"]) if data["compared_at"] else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("the cursor isn't one of ours") from error

    def json(self) -> str:
        """The cursor as Dagster keeps it."""
        return json.dumps(
            {
                "version": VERSION,
                "settled_at": self.settled_at.isoformat(),
                "settled_raw": self.settled_raw,
                "looks": [
                    [
                        look.at.isoformat(),
                        look.next_transaction,
                        look.newest_raw,
                        {partition_key(hour): rows for hour, rows in look.raw_rows.items()},
                    ]
                    for look in self.looks
                ],
                "changed": _plain(self.changed),
                "raw": _plain(self.raw),
                "fitted": _plain(self.fitted),
                "known_chips": {
                    chip: [
                        known.says.changed_at.isoformat() if known.says.changed_at else None,
                        known.seen_at.isoformat(),
                        known.says.rows,
                    ]
                    for chip, known in self.known_chips.items()
                },
                "compared_at": self.compared_at.isoformat() if self.compared_at else None,
            },
            separators=(",", ":"),
        )

    def settle(self, now: datetime, oldest_running: int) -> None:
        """Drop the looks that nothing can come in behind any more."""
        while self.looks:
            look = self.looks[0]
            ended = look.next_transaction <= oldest_running and look.at <= now - OVERLAP
            too_many = self.settled_raw is not None and self.looks[-1].newest_raw - self.settled_raw > MOST_ROWS
            if not ended and look.at > now - LONGEST_TRANSACTION and not too_many:
                break
            self.settled_at = look.at
            # Without one, raw rows aren't counted: the roll-up is external.
            if self.settled_raw is not None:
                self.settled_raw = look.newest_raw
            self.looks.pop(0)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _found(data: Mapping[str, Any]) -> dict[datetime, Found]:
    return {parse_hour(hour): Found(_instant(at), state) for hour, (at, state) in data.items()}


def _plain(found: Mapping[datetime, Found]) -> dict[str, list[str]]:
    return {partition_key(hour): [item.at.isoformat(), item.state] for hour, item in found.items()}
