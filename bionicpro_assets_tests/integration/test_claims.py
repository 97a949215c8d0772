"""Every claim on a clean history, and each of its SQL files on rows that break it."""

from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.settings import Settings

OPEN = floor_hour(datetime.now(UTC))
FIRST = OPEN - timedelta(hours=2)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def external_rollup(clean_environment, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")


def test_all_claims_hold_on_clean_rows(external_rollup, platform, sources):
    for chip, user in [("C1", "anna"), ("C2", "boris")]:
        sources.add_wearer(chip, user)
        for hour in hour_range(FIRST, OPEN):
            sources.add_hour(chip, hour)
    platform.load(FIRST, OPEN)
    verdicts = evaluate(platform.clickhouse, claims(Settings.load()), hour_range(FIRST, OPEN))
    assert [str(v) for v in verdicts if not v.passed] == []
