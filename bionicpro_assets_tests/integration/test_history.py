"""Whose hour it is, on real databases: what ClickHouse remembers, and what the job makes of a CRM that changes."""

import random
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HourlyLoad, Part, Visible
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.publish import Publication, publish
from bionicpro_assets.load.table import JOURNAL, current_entries
from bionicpro_assets.report.facts import find_facts
from bionicpro_assets.report.page import render
from bionicpro_assets.report.period import Period
from bionicpro_assets.steps.crm import CRM_EXTRACT, crm_load, extract_crm_hours, remembered
from bionicpro_assets.transform.crm_history import CrmAnswer, Remembered, attribute, state
from bionicpro_assets.verify import verify
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.sources import Sources
from bionicpro_assets_tests.publishing import publish_frame
from bionicpro_assets_tests.unit.test_ownership import ANNA, BORIS, VERA, Archive, answer, at, unit

pytestmark = pytest.mark.filterwarnings("ignore")
OWNERSHIP = Path(__file__).resolve().parents[2] / "docs" / "ownership.md"

# The memory in ClickHouse against the one of the unit tests ------------------------------------------------------

CHIPS = ["C1", "O'Brien, \\ 7", "Ч-3"]


class Crm:
    """A CRM whose chips move, disappear, come back and are named twice, at random."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.records = {chip: (ANNA, at(-50)) for chip in CHIPS[:2]}

    def change(self, since: datetime, until: datetime) -> None:
        chip, when = self.dice.choice(CHIPS), since + (until - since) * self.dice.random()
        if chip in self.records and self.dice.random() < 0.3:
            del self.records[chip]
        else:
            back = self.dice.random() < 0.2
            self.records[chip] = (self.dice.choice([ANNA, BORIS, VERA]), at(-50) if back else when)

    def said(self, now: datetime) -> CrmAnswer:
        units = [unit(chip, who, since, 10 * who + CHIPS.index(chip)) for chip, (who, since) in self.records.items()]
        if self.dice.random() < 0.2:
            units.append(unit(CHIPS[0], VERA, now, 99))
        return answer(now, *units, unit(None, VERA, at(-50), 77))


@pytest.mark.parametrize("seed", range(2))
def test_clickhouse_remembers_what_the_archive_does(clickhouse, seed):
    dice = random.Random(seed)
    crm, archive, now = Crm(dice), Archive(), at(0.4)
    for _ in range(12):
        said = crm.said(now)
        first = dice.randrange(int((now - at(0)) / HOUR) + 1)
        hours = hour_range(at(first), min(at(first + dice.randrange(6)), floor_hour(now)))
        stated = dice.random() < 0.15
        known = remembered(clickhouse, said, hours)
        frame = state(said, known, hours) if stated else attribute(said, known, hours)
        expected = archive.load(said, hours, as_of_now=stated)
        order = ["hour_start", "prosthesis_id", "chip_id", "ownership", "worn_since"]
        assert frame.rows.sort(order).rows() == expected.rows.sort(order).rows()
        publish_frame(clickhouse, CRM_EXTRACT, frame, run_id="r", batch_size=10_000)
        later = now + timedelta(hours=dice.choice([0.25, 0.5, 1, 3]))
        crm.change(now, later)
        now = later


def test_an_hour_that_is_published_and_empty_is_no_neighbour(clickhouse):
    known = answer(at(1.5), unit("C1", ANNA, at(-50)))
    for said, hour in ((known, 1), (answer(at(1.6)), 3), (known, 3), (answer(at(1.8)), 3)):
        frame = attribute(said, Remembered.nothing(said), [at(hour)])
        publish_frame(clickhouse, CRM_EXTRACT, frame, run_id="r", batch_size=10_000)
    claims = remembered(clickhouse, answer(at(5.5)), [at(5)]).claims
    assert claims["chip_id"].to_list() == ["C1"]


# The job on a CRM as deployed: no trigger, and a view of active prostheses only ------------------------------------


@dataclass(frozen=True)
class Field:
    """The platform on databases as deployed, and three hours of it: two that are over and the open one."""

    platform: Platform
    first: datetime
    second: datetime
    open: datetime

    def crm(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self.platform.sources.in_crm(statement, parameters)

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        return list(self.platform.clickhouse.rows(query, parameters)[1])

    def fit(self, chip: str, user: str, since: datetime) -> None:
        """A customer's prosthesis with a chip, as it stands in the CRM since then; it sends in every hour."""
        self.platform.sources.add_wearer(chip, user)
        self.crm("UPDATE crm.prostheses SET updated_at = %s WHERE chip_id = %s", (since, chip))
        for hour in hour_range(self.first, self.open):
            self.platform.sources.add_hour(chip, hour)

    def who(self, chip: str) -> list[tuple[str | None, str]]:
        """Of every hour the login that the mart has for the chip, and how sure the extract is."""
        rows = self.rows(
            "SELECT m.user_id, c.ownership FROM staging.crm_customer_prosthesis AS c "
            "LEFT JOIN reports.user_prosthesis_stats AS m ON m.chip_id = c.chip_id "
            "AND m.report_date = toDate(c.hour_start) AND m.report_hour = toHour(c.hour_start) "
            "WHERE c.chip_id = {chip:String} ORDER BY c.hour_start",
            {"chip": chip},
        )
        return [(user or None, ownership) for user, ownership in rows]

    def verified(self) -> bool:
        sources, hours = self.platform.sources, hour_range(self.first, self.open)
        mart, clickhouse = "reports.user_prosthesis_stats", self.platform.clickhouse
        found = verify(sources.crm, sources.telemetry, clickhouse, mart, hours, report_timezone="UTC")
        return found.differences.is_empty() and not found.differing_hours and not found.never_loaded


@pytest.fixture
def field(deployed, clickhouse, tmp_path: Path, monkeypatch) -> Iterator[Field]:
    for name, value in {
        "BIONICPRO_CRM_DB_URL": deployed.crm.url,
        "BIONICPRO_TELEMETRY_DB_URL": deployed.telemetry.url,
        "BIONICPRO_CLICKHOUSE_URL": f"chdb://{tmp_path}/clickhouse",
        "BIONICPRO_HOME": str(tmp_path / "home"),
        "BIONICPRO_ROLLUP": "external",
    }.items():
        monkeypatch.setenv(name, value)
    # What the CRM says proves something of the hour in which it says it: that must not end meanwhile.
    left = (floor_hour(datetime.now(UTC)) + HOUR - datetime.now(UTC)).total_seconds()
    time.sleep(left + 1 if left < 40 else 0)
    now = floor_hour(datetime.now(UTC))
    with Platform.open(deployed, clickhouse) as platform:
        yield Field(platform, now - 2 * HOUR, now - HOUR, now)


def test_hours_stay_with_their_wearers_while_the_crm_changes(field):
    for chip, user in (("C1", "anna"), ("C2", "vera"), ("C3", "dora"), ("C4", "boris")):
        field.fit(chip, user, field.first - timedelta(days=100))
    field.platform.load(field.first, field.first)
    before = field.platform.mart()
    moved = field.second + timedelta(minutes=6)
    to_boris = "UPDATE crm.prostheses SET updated_at = %s, customer_id = (SELECT customer_id FROM crm.customers "
    field.crm(to_boris + "WHERE external_id = 'boris') WHERE chip_id IN ('C1', 'C3')", [moved])
    field.crm("UPDATE crm.prostheses SET status = 'retired', updated_at = %s WHERE chip_id = 'C2'", [moved])
    field.crm("DELETE FROM crm.customers WHERE external_id = 'dora'")
    field.platform.load(field.first, field.open)
    assert field.platform.mart(f"report_hour = {field.first.hour}") == before, "the hour before is as it was"
    assert field.who("C1") == [("anna", "named"), ("boris", "named"), ("boris", "named")]
    assert field.who("C2") == [("vera", "named"), ("vera", "assumed"), (None, "ended")]
    assert field.who("C3") == [("dora", "named"), ("boris", "named"), ("boris", "named")]
    why = field.rows("SELECT chip_id, reason FROM quarantine.rejected_telemetry")
    assert why == [("C2", "the CRM has stopped naming a wearer of the chip")]
    assert field.verified()

    examples = re.findall(r"```sql\n(.*?)```", OWNERSHIP.read_text(encoding="utf-8"), re.DOTALL)
    wearers, moved_chips, sure, aside = (field.rows(example) for example in examples)
    assert [row[1] for row in wearers] == ["boris", "boris", "anna"]
    assert {row[0] for row in moved_chips} == {"C1", "C3"}
    assert [tuple(row[1:]) for row in sure] == [(4, 0, 0, 0), (3, 1, 0, 0), (3, 0, 0, 1)]
    assert [row[0] for row in aside] == ["C2"]

    crm, clickhouse, hours = field.platform.sources.crm, field.platform.clickhouse, hour_range(field.first, field.open)
    looked = extract_crm_hours(crm, clickhouse, hours)
    again = publish_frame(clickhouse, CRM_EXTRACT, looked, run_id="again", batch_size=10_000)
    assert again.unchanged == hours, "a look that says nothing new writes nothing"
    field.crm("UPDATE crm.customers SET last_name = 'Белова' WHERE external_id = 'boris'")
    names = extract_crm_hours(crm, clickhouse, hours).rows.select("user_id", "customer_full_name").unique().rows()
    assert sorted(names) == [
        (user, f"{last_name} Анна Петровна")
        for user, last_name in (("anna", "Иванова"), ("boris", "Белова"), ("dora", "Иванова"), ("vera", "Иванова"))
    ]


def test_telemetry_of_a_chip_that_is_registered_late_moves_to_the_reports_by_itself(field):
    stamps = "SELECT hour_start, first_rejected_at FROM quarantine.rejected_telemetry ORDER BY hour_start"
    field.fit("C1", "anna", field.first - timedelta(days=100))
    field.platform.sources.add_hour("C9", field.first)
    field.platform.load(field.first, field.second)
    set_aside = field.rows(stamps)
    assert len(set_aside) == 1
    field.platform.sources.add_hour("C9", field.second)
    field.platform.load(field.first, field.second)
    assert field.rows(stamps)[0] == set_aside[0], "first_rejected_at stays"
    assert field.rows(stamps)[1][1] > set_aside[0][1]
    field.fit("C9", "boris", datetime.now(UTC))
    field.platform.load(field.first, field.open)
    assert field.rows(stamps) == []
    assert field.who("C9") == [("boris", "assumed"), ("boris", "assumed"), ("boris", "named")]
    assert field.platform.mart() == field.platform.sources.expected_mart(field.first, field.open)
    assert field.verified()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # The view has active prostheses only; the patient goes on wearing this one.
        ("UPDATE crm.prostheses SET status = 'maintenance', updated_at = %s WHERE chip_id = 'C1'", "has stopped naming a wearer of the chip"),
        ("CREATE OR REPLACE VIEW crm.v_customer_prosthesis AS {v} UNION ALL SELECT * FROM ({v}) w WHERE chip_id = 'C1' AND %s::timestamptz IS NOT NULL", "names several prostheses for the chip"),
    ],
)  # fmt: skip
def test_a_patients_page_tells_of_hours_without_a_wearer(field, change, reason):
    """They are missing in the report of whoever is, or last was, named for the chip, and in nobody else's."""
    for chip, user in (("C1", "anna"), ("C2", "boris")):
        field.fit(chip, user, field.first - timedelta(days=100))
    field.platform.load(field.first, field.first)
    ((view,),) = field.platform.sources.in_crm("SELECT pg_get_viewdef('crm.v_customer_prosthesis'::regclass)")
    field.crm(change.format(v=view.strip().rstrip(";")), [field.first + timedelta(minutes=59)])
    field.platform.load(field.first, field.open)

    def said(user: str) -> str:
        period = Period(field.first.date(), field.open.date(), "UTC")
        now = field.open + HOUR
        return render(find_facts(field.platform.clickhouse, period, start=field.first, now=now, user=user), "en")

    assert "of chips that the CRM names, or last named, for this patient: 1 row" in said("anna")
    assert f"the CRM {reason}: 1" in said("anna")
    assert "No telemetry was set aside." in said("boris")


# Two runs at a time: the pool of runs doesn't hold for one that a person starts at a terminal ------------------------


@pytest.fixture
def corrected(sources, clickhouse) -> tuple[Sources, datetime]:
    """C1 was loaded for an hour as Anna's; the CRM says by now that it is Boris's. An operator wants the hour changed."""
    hour = floor_hour(datetime.now(UTC)) - 2 * HOUR
    sources.add_wearer("C1", "anna")
    sources.in_crm("ALTER TABLE crm.prostheses DISABLE TRIGGER USER")
    sources.in_crm("UPDATE crm.prostheses SET updated_at = now() - interval '5 days'")
    publish_frame(
        clickhouse, CRM_EXTRACT, extract_crm_hours(sources.crm, clickhouse, [hour]), run_id="0", batch_size=10
    )
    sources.add_wearer(None, "boris")
    sources.in_crm(
        "UPDATE crm.prostheses SET updated_at = now(), "
        "customer_id = (SELECT customer_id FROM crm.customers WHERE external_id = 'boris') WHERE chip_id = 'C1'"
    )
    return sources, hour


def begun(sources: Sources, clickhouse: ClickHouse, hour: datetime, *, as_of_now: bool) -> HourlyLoad:
    """A run's load of the hour: the CRM is asked, and what is remembered is read."""
    load = crm_load(sources.crm, clickhouse, [hour], chunk_rows=1000, as_of_now=as_of_now)
    visible = current_entries(clickhouse, load.tables, hour, hour + HOUR)
    asked = [list(load.parts(visible))]

    def parts(visible: Visible) -> Generator[Part]:
        yield from asked.pop() if asked else load.parts(visible)

    return replace(load, parts=parts)


def put(clickhouse: ClickHouse, load: HourlyLoad, **options: Any) -> Publication:
    return publish(clickhouse, load, run_id="r", batch_size=10, **options)[CRM_EXTRACT]


def boris_is_stated(clickhouse: ClickHouse) -> bool:
    shown = f"SELECT user_id, ownership FROM {CRM_EXTRACT} WHERE chip_id = 'C1' AND ownership != 'overruled'"
    return list(clickhouse.rows(shown)[1]) == [("boris", "stated")]


@pytest.mark.parametrize("correction_first", [True, False])
def test_a_correction_isnt_lost_to_a_load_at_the_same_time(corrected, clickhouse, correction_first):
    sources, hour = corrected
    correction = begun(sources, clickhouse, hour, as_of_now=True)
    sources.add_wearer("C2", "clara")
    # It asks the CRM later than the correction did, and doesn't know of that.
    refresh = begun(sources, clickhouse, hour, as_of_now=False)
    for stream in (correction, refresh) if correction_first else (refresh, correction):
        put(clickhouse, stream)
    assert boris_is_stated(clickhouse)


@pytest.mark.parametrize("when", ["before it commits", "as it commits"])
def test_a_correction_isnt_lost_to_a_later_read_that_only_confirms(corrected, clickhouse, tmp_path, when):
    """The hour's publication stays the same, so that nothing seems to have changed; but its read is newer now."""
    sources, hour = corrected
    publish_frame(
        clickhouse, CRM_EXTRACT, extract_crm_hours(sources.crm, clickhouse, [hour]), run_id="1", batch_size=10
    )
    correction = begun(sources, clickhouse, hour, as_of_now=True)
    refreshes = [begun(sources, clickhouse, hour, as_of_now=False)]

    def refresh() -> None:
        if refreshes:
            assert put(clickhouse, refreshes.pop()).unchanged == [hour]

    class Interrupted(ClickHouse):
        """Another run commits just before this one does."""

        def insert_arrow_stream(self, table: str, columns: Sequence[str], blocks: Generator[bytes, None, None]) -> None:
            if table == JOURNAL:
                refresh()
            super().insert_arrow_stream(table, columns, blocks)

    if when == "before it commits":
        refresh()
    with Interrupted(f"chdb://{tmp_path}/clickhouse") as interrupted:
        done = put(interrupted, correction)
    assert done.superseded == []
    assert boris_is_stated(clickhouse)


def test_a_correction_that_stays_hidden_fails(corrected, clickhouse):
    sources, hour = corrected
    publish_frame(
        clickhouse, CRM_EXTRACT, extract_crm_hours(sources.crm, clickhouse, [hour]), run_id="1", batch_size=10
    )
    correction = begun(sources, clickhouse, hour, as_of_now=True)
    put(clickhouse, begun(sources, clickhouse, hour, as_of_now=False))
    with pytest.raises(DataError, match="a newer read was published meanwhile, and readers see that one"):
        put(clickhouse, correction, attempts=1)
