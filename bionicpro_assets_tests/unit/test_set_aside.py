"""Which chips a materialisation of the quarantine names: the sensor of late hours asks the CRM for them."""

from datetime import UTC, datetime

import polars as pl

from bionicpro_assets.steps import mart
from bionicpro_assets.transform.join import NO_WEARER, UNKNOWN_CHIP
from bionicpro_assets.transform.ownership import ENDED

HOURS = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (8, 9, 10)]


def test_chips_that_the_crm_may_get_to_know_are_named_before_those_it_has_stopped_naming(monkeypatch):
    monkeypatch.setattr(mart, "CHIPS_NAMED", 3)
    rows = [
        *((HOURS[0], chip, NO_WEARER[ENDED], 1) for chip in ("A1", "A2", "A3", "A4")),
        (HOURS[0], "Z2", UNKNOWN_CHIP, 1),
        (HOURS[0], "Z1", f"{UNKNOWN_CHIP}; success_rate is outside 0 to 100", 1),
        (HOURS[1], "A1", NO_WEARER[ENDED], 1),
        (HOURS[1], "B1", "success_rate is outside 0 to 100", 0),
    ]
    frame = pl.DataFrame(rows, schema=["hour_start", "chip_id", "reason", "no_wearer"], orient="row")
    said = mart.of_quarantine(frame, HOURS)
    named = {hour: facts["rejected_chips"] for hour, facts in said.items()}
    assert named == {HOURS[0]: ["A1", "Z1", "Z2"], HOURS[1]: ["A1"], HOURS[2]: []}
    assert said[HOURS[0]]["reasons"][NO_WEARER[ENDED]] == 4
