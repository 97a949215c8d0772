"""Sets of partitions by asset: what failed and what has been mended, in words and small enough to be kept."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from bionicpro_assets.hours import HOUR, describe, hour_of_key, parse_hour, partition_key

# Stands for an asset, or a verdict of a check, without a partition.
UNPARTITIONED = ""


def in_words(partitions: Iterable[str]) -> str:
    """Partitions in words: hours as a period, others by name."""
    named = sorted(p for p in partitions if p != UNPARTITIONED)
    hours = hours_in(named)
    if not hours:
        return ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    gaps = "" if hours[-1] - hours[0] == HOUR * (len(hours) - 1) else ", with gaps"
    return describe(hours) + gaps


def hours_in(partitions: Iterable[str]) -> list[datetime]:
    """The hours that partitions are; none, if one of them isn't an hour."""
    try:
        return sorted({hour_of_key(p) for p in partitions if p != UNPARTITIONED})
    except ValueError:
        return []


def packed(partitions: Iterable[str]) -> list[str]:
    """Partitions for keeping: hours that follow one another as `first..last`, others as they are."""
    kept: list[str] = []
    runs: list[list[datetime]] = []
    for partition in sorted(set(partitions)):
        try:
            hour = parse_hour(partition)
        except ValueError:
            kept.append(partition)
            continue
        if partition_key(hour) != partition:
            kept.append(partition)
        elif runs and hour - runs[-1][1] == HOUR:
            runs[-1][1] = hour
        else:
            runs.append([hour, hour])
    return kept + [f"{partition_key(first)}..{partition_key(last)}" for first, last in runs]


def unpacked(kept: Iterable[str]) -> frozenset[str]:
    """What `packed` was given."""
    found = set()
    for item in kept:
        first, dots, last = item.partition("..")
        try:
            hour, end = parse_hour(first), parse_hour(last if dots else first)
        except ValueError:
            found.add(item)
            continue
        if not dots:
            found.add(item)
            continue
        while hour <= end:
            found.add(partition_key(hour))
            hour += HOUR
    return frozenset(found)


# A backfill of a year is 8,760 hours an asset: kept one by one they would be most of the cursor.
Packed = Annotated[frozenset[str], BeforeValidator(unpacked), PlainSerializer(packed)]
Partitions = Mapping[str, Packed]


def plus(one: Partitions, other: Partitions) -> Partitions:
    """All of both."""
    return {asset: one.get(asset, frozenset()) | other.get(asset, frozenset()) for asset in {**one, **other}}


def minus(one: Partitions, other: Partitions) -> Partitions:
    """What is left of one without the other; assets of which nothing is left are gone."""
    return {asset: rest for asset, parts in one.items() if (rest := parts - other.get(asset, frozenset()))}
