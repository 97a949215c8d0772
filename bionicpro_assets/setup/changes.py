"""Which files of a schema are to be applied to a database that has been given some of them before.

The rules, for ClickHouse and PostgreSQL alike:

* Files are applied in the order of their names, and what was applied is recorded in the database.
* A file that begins with CREATE OR REPLACE (a view, a function) is applied every time: whatever was done to it by hand
  is undone, and a view gets the columns that its tables have now. It is recorded when its wording has changed.
  The same goes for one that makes a database or a schema.
* Every other file is applied once, and must not change afterwards: a change to a table is a new file. It must be safe
  to apply again all the same: a crash may come between it and its record.
* A line `-- breaking` in a file says that versions of the platform that don't know it must not work on the tables.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bionicpro_assets import __version__
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.sqlfiles import scripts

VERSION = __version__

REPEATABLE = ("CREATE OR REPLACE ", "CREATE DATABASE IF NOT EXISTS ", "CREATE SCHEMA IF NOT EXISTS ")

_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_BREAKING = re.compile(r"^\s*-- breaking\s*$", re.MULTILINE)
_OWN_COMMENT = re.compile(r"COMMENT '((?:[^']|'')*)'$")
_VIEW = re.compile(r"CREATE (?:OR REPLACE )?VIEW ")
_TARGET = re.compile(r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW|FUNCTION) (?:IF NOT EXISTS )?(\w+\.\w+)")


@dataclass(frozen=True, slots=True)
class Change:
    """A file of a schema.

    Attributes:
        file: Its name.
        text: What it holds.
        checksum: SHA-256 of its statements, in hexadecimal; comments and white space don't count.
        repeatable: Whether it may be applied over itself in other words.
        breaking: Whether versions that don't know the file must stop.
        target: The table, view or function that it makes first, as `schema.name`; None if it makes none.
        comment: What it says of itself in the database, where ClickHouse keeps that; empty if nothing.
    """

    file: str
    text: str
    checksum: str
    repeatable: bool
    breaking: bool
    target: str | None
    comment: str

    @classmethod
    def of(cls, file: str, text: str) -> "Change":
        """The file of that name and text."""
        statements = " ".join(_COMMENT.sub("", text).split())
        target, comment = _TARGET.search(statements), _OWN_COMMENT.search(statements)
        return cls(
            file,
            text,
            hashlib.sha256(statements.encode()).hexdigest(),
            statements.startswith(REPEATABLE),
            bool(_BREAKING.search(text)),
            target[1] if target else None,
            comment[1].replace("''", "'") if comment else "",
        )

    @property
    def makes_view(self) -> bool:
        """Whether the target is a view."""
        return bool(_VIEW.match(_COMMENT.sub("", self.text).strip()))


@dataclass(frozen=True, slots=True)
class Applied:
    """What a database's record says of one file: the last time that it was applied."""

    checksum: str
    breaking: bool
    version: str


def changes_of(folder: str) -> list[Change]:
    """The files of a folder under `sql/`, in order."""
    return [Change.of(name, text) for name, text in scripts(folder)]


def outstanding(
    changes: Sequence[Change], applied: Mapping[str, Applied], *, exists: Callable[[str], bool], place: str
) -> list[Change]:
    """The changes that are to be applied, in order.

    Args:
        changes: All files of the schema.
        applied: The database's record, by file.
        exists: Whether the database has a table, view or function of that name.
        place: The database, for messages.

    Raises:
        PlatformError: A newer version has changed the tables so that this one can't work on them; a file was
            changed after it had been applied; or a table that was made is gone. Nothing is to be applied then.
    """
    refuse_breaking(changes, applied, place)
    found = []
    for change in changes:
        before = applied.get(change.file)
        if before is None or change.repeatable:
            found.append(change)
        elif change.target is not None and not exists(change.target):
            raise PlatformError(
                f"{place}: {change.target} is gone, although {change.file} made it once. It isn't made anew, empty, "
                "behind the back of what counts on its rows: restore the backup. To begin with nothing on purpose, "
                "drop the schema's other tables too, the record schema_changes among them."
            )
        elif before.checksum != change.checksum:
            raise PlatformError(
                f"{place}: {change.file} was applied by version {before.version} in other words than it has now. What "
                "makes a table doesn't change once it is applied: put it back, and the change into a file of its own."
            )
    return found


def news(changes: Sequence[Change], applied: Mapping[str, Applied]) -> list[Change]:
    """Those of the changes that the record doesn't have, or has in other words."""
    return [c for c in changes if c.file not in applied or applied[c.file].checksum != c.checksum]


def refuse_breaking(changes: Sequence[Change], applied: Mapping[str, Applied], place: str) -> None:
    """Stop where a newer version has made a change that this one would do harm on.

    Raises:
        PlatformError: The record has such a file, which this version doesn't know.
    """
    known = {change.file for change in changes}
    newer = {file: a for file, a in applied.items() if a.breaking and file not in known}
    if newer:
        names, versions = ", ".join(sorted(newer)), ", ".join(sorted({a.version for a in newer.values()}))
        raise PlatformError(
            f"{place}: version {versions} has changed the tables ({names}) in a way that this version, {VERSION}, "
            f"can't work with. Use {versions} or newer, or restore the backup from before the upgrade."
        )
