"""The claim that what is stored and answered is what was published: counts and checksums against the journal."""

from collections.abc import Sequence
from datetime import datetime

from bionicpro_assets.errors import PublicationError
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.parity import check_parity
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import MART, Claim
from bionicpro_assets.quality.evaluate import Look
from bionicpro_assets.quality.verdict import Found, HourVerdict, Verdict


def published_claim() -> Claim:
    """Nobody changed the rows behind the journal's back."""
    return Claim(MART, "reports_are_as_published", "The reports answer just what was published, by count and checksum.")


def published_verdict(clickhouse: ClickHouse, hours: Sequence[datetime]) -> HourVerdict:
    """Rows and checksum of every published hour: as they are stored now, and as the journal has them.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    table = HourlyTable.of(clickhouse, MART)
    current = table.current(clickhouse, min(hours), max(hours) + HOUR)
    published = {hour: entry for hour, entry in current.items() if hour in hours}
    if not published:
        return Verdict(published_claim(), {})
    numbers = {hour: entry.number for hour, entry in published.items()}
    audited = Look(clickhouse, sorted(published), {MART: numbers}).audit(MART, [])
    found = {}
    for hour, entry in published.items():
        same = (audited[hour].row_count, audited[hour].checksum) == (entry.row_count, entry.checksum)
        sample = [] if same else ["the stored rows have another checksum than the journal"]
        found[hour] = Found(entry.row_count, int(not same), sample)
    try:
        stored = {hour: (numbers[hour], audited[hour].answers) for hour in published}
        check_parity(clickhouse, table, sorted(published), stored)
    except PublicationError as error:
        newest = max(published)
        found[newest] = Found(published[newest].row_count, 1, [str(error)])
    return Verdict(published_claim(), found)
