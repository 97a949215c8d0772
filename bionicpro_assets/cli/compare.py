"""`bionicpro compare`."""

import json
from dataclasses import asdict
from datetime import date

from rich.progress import track

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.compare import KINDS, MART, Comparison, Difference, common_columns, compare_marts, days_of
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.errors import AnswerError, PlatformError
from bionicpro_assets.settings import Settings

ROWS_SHOWN = 20


def run_compare(other: str, first: str | None, last: str | None, *, as_json: bool) -> None:
    """Compare the mart with another table; by default all days that one of the two has.

    Raises:
        AnswerError: They differ.
        PlatformError: They can't be compared.
    """
    settings = Settings.load()
    with clickhouse_of(settings) as clickhouse:
        common_columns(clickhouse, other)
        found = days_of(clickhouse, other)
        if found is None:
            raise PlatformError(f"Both {MART} and {other} are empty.")
        since, until = _asked(first, last, found)
        # No query for days that neither has: somebody may ask for years, to be sure.
        begin, end = max(since, found[0]), min(until, found[1])
        count, shown = Comparison(), list[Difference]()
        days = compare_marts(clickhouse, other, begin, end, report_timezone=settings.report_timezone)
        for so_far, differences in track(
            days, f"{begin} to {end}", (end - begin).days + 1, console=console, transient=True, disable=as_json
        ):
            count = so_far
            if as_json:
                for difference in differences:
                    print(json.dumps(asdict(difference), default=str, ensure_ascii=False))  # noqa: T201
            shown += differences[: ROWS_SHOWN - len(shown)]
    if not count.rows and not count.other_rows:
        raise PlatformError(
            f"Neither table has a row from {since} to {until}; there are rows from {found[0]} to {found[1]}."
        )
    if not as_json:
        _show(count, shown, other)
    if count.kinds:
        raise AnswerError(
            f"{since} to {until}: {MART} has {count.rows} rows and {other} {count.other_rows}; {count.alike} are alike."
        )


def _show(count: Comparison, shown: list[Difference], other: str) -> None:
    if not count.kinds:
        console.print(f"All {count.rows} rows of {MART} are in {other}, once and just so; it has no others.")
        return
    table("How they differ", ["rows", "kind", "a row of this kind"],
          [(n, kind, KINDS[kind].format(other=other)) for kind, n in count.kinds.most_common()])  # fmt: skip
    table(
        f"The first {len(shown)}", ["day", "hour", "chip", "what", "copies", "columns", "in the quarantine because"],
        [(d.day, f"{d.hour:02}", d.chip_id, ", ".join(d.kinds), d.copies, ", ".join(d.columns), d.note) for d in shown],
    )  # fmt: skip


def _asked(first: str | None, last: str | None, found: tuple[date, date]) -> tuple[date, date]:
    """The days asked for; where nothing is said, the first and the last that one of the tables has."""
    since, until = _day(first), _day(last)
    if since and until and since > until:
        raise PlatformError(f"{since} is after {until}: there is no day to compare.")
    if since and not until and since > found[1]:
        raise PlatformError(f"{since} is after the last day that either table has, {found[1]}.")
    if until and not since and until < found[0]:
        raise PlatformError(f"{until} is before the first day that either table has, {found[0]}.")
    return since or found[0], until or found[1]


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise PlatformError(f"{text!r} isn't a day, like 2026-11-24.") from None
