"""Examining ClickHouse: the server, the tables, the rights, and what is published."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from bionicpro_assets.doctor.finding import Finding, State, clock
from bionicpro_assets.doctor.zone import examine_zone
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.hours import HOUR, describe_ranges, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.refuse import first_kept
from bionicpro_assets.quality.claims import MART
from bionicpro_assets.quality.labels import other_zone
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import require_clickhouse_schema
from bionicpro_assets.sqlfiles import sql

SUBJECT = "clickhouse"
# What runs do; see sql/clickhouse/roles/020_grant_etl.sql.
NEEDED = ("SELECT ON storage.*", "INSERT ON storage.publications", "ALTER DELETE ON storage.user_prosthesis_stats",
          "SELECT ON staging.*", "SELECT ON quarantine.*", "SELECT ON reports.*")  # fmt: skip
FREE_WARNING, FREE_PROBLEM = 0.15, 0.05
# ClickHouse slows inserts down at 1,000 parts of a partition, and refuses them at 3,000.
PARTS_WARNING = 300
DAY = timedelta(hours=24)
# An hour that has just ended is read again by the next refresh, or by the one after it.
TO_BE_READ_AGAIN = timedelta(minutes=30)


def examine_clickhouse(clickhouse: ClickHouse, settings: Settings, now: datetime) -> Iterator[Finding]:
    """The server, its disk, the tables, the rights, and the hours of the last day."""
    before = datetime.now(UTC)
    version, micros = clickhouse.rows(sql("clickhouse/queries/doctor_server.sql"))[1][0]
    after = datetime.now(UTC)
    yield Finding(SUBJECT, "ok", f"{clickhouse.place} answers: {version}, {(after - before).total_seconds():.2f} s.")
    its_clock = datetime.fromtimestamp(micros / 1e6, UTC)
    yield clock(SUBJECT, max(its_clock - after, timedelta()) + min(its_clock - before, timedelta()))
    yield from _disks(clickhouse)
    require_clickhouse_schema(clickhouse)
    yield Finding(SUBJECT, "ok", "Its tables and views are those of this version.")
    yield from _rights(clickhouse)
    yield from _housekeeping(clickhouse)
    yield examine_zone(clickhouse, settings.report_timezone, now)
    yield _labels(clickhouse, settings, now)
    yield _last_day(clickhouse, settings, now)


def published_hours(clickhouse: ClickHouse, name: str, since: datetime, until: datetime) -> dict[datetime, datetime]:
    """The hours in [since, until) that a table was published for, and when the source of each was read last."""
    window = {"table_name": name, "since": int(since.timestamp()), "until": int(until.timestamp())}
    _, rows = clickhouse.rows(sql("clickhouse/queries/doctor_hours.sql"), window)
    return {datetime.fromtimestamp(seconds, UTC): datetime.fromtimestamp(micros / 1e6, UTC) for seconds, micros in rows}


def _labels(clickhouse: ClickHouse, settings: Settings, now: datetime) -> Finding:
    hours = sorted(published_hours(clickhouse, MART, first_kept(now), floor_hour(now) + HOUR))
    if problem := other_zone(clickhouse, hours, settings.report_timezone):
        return Finding(SUBJECT, "problem", problem)
    return Finding(SUBJECT, "ok", f"Rows of the mart have the date and hour of {settings.report_timezone}.")


def _disks(clickhouse: ClickHouse) -> Iterator[Finding]:
    for name, free, total in clickhouse.rows(sql("clickhouse/queries/doctor_disks.sql"))[1]:
        share = free / total
        says = f"The disk {name} has {free / 1e9:.0f} GB free, {share:.0%}."
        if share >= FREE_WARNING:
            yield Finding(SUBJECT, "ok", says)
        else:
            state: State = "problem" if share < FREE_PROBLEM else "warning"
            yield Finding(SUBJECT, state, f"{says} Make room before publications fail: docs/operating.md.")


def _rights(clickhouse: ClickHouse) -> Iterator[Finding]:
    missing = [grant for grant in NEEDED if not _granted(clickhouse, grant)]
    if missing:
        yield Finding(
            SUBJECT,
            "problem",
            f"Its user lacks {', '.join(missing)}: give it the role bionicpro_etl (bionicpro init roles).",
        )
    else:
        yield Finding(SUBJECT, "ok", "Its user may read and write what runs need.")


def _granted(clickhouse: ClickHouse, grant: str) -> bool:
    return bool(int(clickhouse.rows(f"CHECK GRANT {grant}")[1][0][0]))


def _housekeeping(clickhouse: ClickHouse) -> Iterator[Finding]:
    try:
        parts: Sequence[Sequence[str]] = clickhouse.rows(sql("clickhouse/queries/doctor_parts.sql"))[1]
        stuck = clickhouse.rows(sql("clickhouse/queries/doctor_mutations.sql"))[1]
    except ClickHouseError as error:
        yield Finding(SUBJECT, "warning", f"Parts and mutations can't be looked at: {error}")
        return
    if parts and int(parts[0][2]) > PARTS_WARNING:
        table, partition, count = parts[0]
        yield Finding(SUBJECT, "warning", f"storage.{table} has {count} parts in {partition}: merges don't keep up.")
    for table, count, reason in stuck:
        yield Finding(SUBJECT, "warning", f"{count} mutations of storage.{table} are at work for an hour: {reason}.")


def _last_day(clickhouse: ClickHouse, settings: Settings, now: datetime) -> Finding:
    closed = floor_hour(now)
    wanted = hour_range(max(closed - DAY, settings.partitions_start), closed - HOUR)
    name = "reports.user_prosthesis_stats"
    there = published_hours(clickhouse, name, closed - DAY, closed) if wanted else {}
    missing = [hour for hour in wanted if hour not in there]
    unfinished = [h for h in wanted if h in there and there[h] < h + HOUR and h + HOUR + TO_BE_READ_AGAIN <= now]
    if not missing and not unfinished:
        return Finding(SUBJECT, "ok", f"{name} has all {len(wanted)} closed hours of the last day.")
    says = []
    if missing:
        says.append(f"{name} lacks {describe_ranges(missing)} of the last day. The schedule catches up with them.")
    if unfinished:
        says.append(f"{name} has no more of {describe_ranges(unfinished)} than was read before they had ended.")
    lacking = sorted([*missing, *unfinished])
    says.append(
        f"To have them now: bionicpro materialize --from {lacking[0]:%Y-%m-%dT%H:%M} --to {lacking[-1]:%Y-%m-%dT%H:%M}"
    )
    return Finding(SUBJECT, "warning", " ".join(says))
