"""No claim alarms where nothing is wrong. Many more histories: python -m bionicpro_assets_tests.quality.histories"""

from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.hours import floor_hour
from bionicpro_assets_tests.quality.histories import changes_of_clocks, false_alarms


# 12 and 150 patients, in time zones of which one changes its clocks.
@pytest.mark.parametrize(
    ("any_time_zone", "seed"), [("UTC", 7), ("America/St_Johns", 4)], indirect=["any_time_zone"], ids=str
)
def test_nothing_is_found_where_nothing_is_wrong(clickhouse, any_time_zone, seed):
    found, history = false_alarms(clickhouse, seed, ticks=1)
    assert found == [], history


def test_histories_know_when_clocks_change():
    now = floor_hour(datetime(2026, 11, 24, tzinfo=UTC))
    changes = changes_of_clocks("Europe/Berlin", now - timedelta(days=320), now)
    assert changes == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
