"""What is read from Dagster's record, on materialisations made by hand."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bionicpro_assets.defs import keys
from bionicpro_assets.hours import hour_range, partition_key
from bionicpro_assets.late.record import (
    first_load_at,
    last_load_at,
    last_loaded,
    missing_hours,
    quarantined_hours,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
H = hour_range(START, START + timedelta(hours=5))


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialise(instance, key, hour, **metadata):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key, partition=partition_key(hour) if hour else None, metadata=metadata)
    )


def test_the_last_materialisation_of_each_hour_counts(instance):
    for hour, n in ((H[0], 1), (H[1], 2), (H[0], 3)):
        materialise(instance, keys.MART, hour, n=n, read=dg.MetadataValue.timestamp(START))
    materialise(instance, keys.MART, None, n=9)
    found = last_loaded(instance, keys.MART, H)
    assert {hour: loaded.metadata["n"] for hour, loaded in found.items()} == {H[0]: 3, H[1]: 2}
    assert found[H[0]].event > found[H[1]].event
    assert found[H[0]].instant("read") == START
    assert found[H[0]].instant("n") is not None
    assert found[H[0]].instant("absent") is None
    assert last_loaded(instance, keys.MART, [H[5]]) == last_loaded(instance, keys.MART, []) == {}


def test_an_hour_is_missing_that_one_of_the_assets_lacks(instance):
    for hour in H[:4]:
        materialise(instance, keys.MART, hour)
    for hour in H[1:]:
        materialise(instance, keys.CRM_EXTRACT, hour)
    assert missing_hours(instance, [keys.MART, keys.CRM_EXTRACT], H) == [H[0], H[4], H[5]]
    assert missing_hours(instance, [keys.MART], []) == []
    instance.wipe_assets([keys.MART])
    assert missing_hours(instance, [keys.MART], H) == H


def test_when_anything_was_first_and_last_loaded(instance):
    assert first_load_at(instance) is None
    assert last_load_at(instance) is None
    for hour in H[:2]:
        materialise(instance, keys.MART, hour)
    first, last = first_load_at(instance), last_load_at(instance)
    assert first is not None
    assert last is not None
    assert datetime.now(UTC) - timedelta(minutes=1) < first < last <= datetime.now(UTC)


def test_quarantined_hours_are_those_whose_last_materialisation_rejected_chips(instance):
    materialise(instance, keys.QUARANTINE, H[0], rejected_chips=["A", "B"])
    materialise(instance, keys.QUARANTINE, H[1], rejected_chips=["A"])
    materialise(instance, keys.QUARANTINE, H[2], rejected_chips=[])
    materialise(instance, keys.QUARANTINE, H[3], other=1)
    materialise(instance, keys.QUARANTINE, H[4], rejected_chips='["C", "D"]')
    materialise(instance, keys.QUARANTINE, H[1], rejected_chips=[])
    assert quarantined_hours(instance) == {H[0]: {"A", "B"}, H[4]: {"C", "D"}}
