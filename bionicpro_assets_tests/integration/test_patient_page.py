"""A patient's first sheet on a history with gaps, a half day, two prostheses, a new chip and a change of clocks."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from bionicpro_assets.cli.main import app
from bionicpro_assets.hours import HOUR, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.integration.conftest import configure, fresh_sources
from bionicpro_assets_tests.integration.pages import Parsed
from bionicpro_assets_tests.integration.reporting import PUT, reading, repeated_hour
from bionicpro_assets_tests.integration.sources import Sources
from bionicpro_assets_tests.publishing import publish_window

pytestmark = pytest.mark.filterwarnings("ignore")
DAYS = 16
# By day, what the page compares: written from docs/reports.md.
OF_DAY = """
    SELECT day, sum(movements_count)::float8 AS movements, count(DISTINCT hour_start)::float8 AS wear,
        (100.0 * sum(successful_movements) / nullif(sum(movements_count), 0))::float8 AS success,
        (sum(round(avg_response_time::numeric, 2) * movements_count) FILTER (WHERE avg_response_time IS NOT NULL)
            / nullif(sum(movements_count) FILTER (WHERE avg_response_time IS NOT NULL), 0))::float8 AS response,
        avg(round(avg_battery_level::numeric, 2))::float8 AS battery,
        (1000.0 * sum(error_count) / nullif(sum(movements_count), 0))::float8 AS errors
    FROM (SELECT *, (hour_start AT TIME ZONE %(zone)s)::date AS day FROM telemetry.hourly_stats
          WHERE chip_id = ANY(%(chips)s)) AS hours
    WHERE day = ANY(%(days)s) GROUP BY {group}
"""
DIGITS = {"movements": 0, "wear": 1, "success": 1, "response": 0, "battery": 0, "errors": 1}
UNIT = {"wear": "\xa0h", "success": "\xa0%", "response": "\xa0ms", "battery": "\xa0%"}
LEAST = {
    "movements": "0.1 * b", "wear": "0.1 * b", "success": "2", "response": "0.05 * b", "battery": "5",
    "errors": "greatest(0.5, 0.25 * b)",
}  # fmt: skip


@dataclass(frozen=True)
class History:
    """Sixteen days of the zone, up to the day after the one with 25 hours; and what was loaded of them."""

    sources: Sources
    folder: Path
    zone: str
    last: date
    # By prosthesis; the third has got another chip.
    chips: dict[int, list[str]]

    @property
    def days(self) -> list[date]:
        return [self.last - timedelta(days=n) for n in reversed(range(DAYS))]

    @property
    def hours(self) -> list[datetime]:
        begins, ends = (datetime(*d.timetuple()[:3], tzinfo=ZoneInfo(self.zone)).astimezone(UTC) for d in (self.days[0], self.last + timedelta(days=1)))  # fmt: skip
        return hour_range(begins, ends - HOUR)

    @property
    def start(self) -> datetime:
        """The first hour that is ever loaded: in the middle of the first day."""
        return self.hours[11]

    @property
    def hole(self) -> list[datetime]:
        """Hours that were never loaded, of the fourth day before the last."""
        noon = datetime(*self.days[-5].timetuple()[:3], 12, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        return hour_range(noon, noon + 4 * HOUR)

    @property
    def before(self) -> list[date]:
        return self.days[1:8]

    @property
    def now(self) -> list[date]:
        return [day for day in self.days[8:] if day != self.days[-5]]

    def ask(self, query: str, chips: list[str], days: list[date]) -> list[tuple]:
        return self.sources.in_telemetry(query, {"zone": self.zone, "chips": chips, "days": days})


@pytest.fixture(scope="module")
def history(postgres_server, tmp_path_factory) -> Iterator[History]:
    folder, dice = tmp_path_factory.mktemp("patient"), random.Random(5)
    zone, day = repeated_hour(datetime.now(UTC))
    with fresh_sources(postgres_server) as sources, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        chips = {
            sources.add_wearer(chip, user): [chip] for chip, user in (("C1", "anna"), ("C2", "anna"), ("C3", "boris"))
        }
        third = list(chips)[2]
        chips[third].append("C6")
        made = History(sources, folder, zone, day + timedelta(days=1), chips)
        refit = made.hours[9 * 24]

        def put(chip: str, hour: datetime) -> dict:
            row = reading(dice, chip, hour)
            if chip != "C2" or hour < made.hours[8 * 24]:
                return row
            # From the second week on, the second prosthesis of Anna's hardly moves, and answers late.
            few = row["movements_count"] // 4
            return row | {"movements_count": few, "successful_movements": few // 2}

        rows = [
            put(chip, hour)
            for chip in ("C1", "C2", "C3", "C6")
            for hour in made.hours
            # Of the hour in which it got the other chip, both tell.
            if dice.random() < 0.8 and (chip != "C3" or hour <= refit) and (chip != "C6" or hour >= refit)
        ]
        sources.in_telemetry(PUT, (json.dumps(rows),))
        apply_clickhouse_schema(clickhouse)
        options: dict[str, Any] = {"zone": zone, "run_id": "patient", "batch_size": 100_000}
        publish_window(sources.crm, sources.telemetry, clickhouse, hour_range(made.start, refit - HOUR), **options)
        sources.in_crm("UPDATE crm.prostheses SET chip_id = 'C6' WHERE prosthesis_id = %s", (third,))
        for first, last in ((refit, made.hole[0] - HOUR), (made.hole[-1] + HOUR, made.hours[-1])):
            publish_window(sources.crm, sources.telemetry, clickhouse, hour_range(first, last), **options)
        # The command opens the engine itself, with fewer rights.
        clickhouse.close()
        yield made


def page_of(history: History, user: str, monkeypatch, tmp_path: Path) -> Parsed:
    configure(monkeypatch, history.sources, history.folder)
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", history.zone)
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{history.start:%Y-%m-%dT%H:%M}")
    days = ("--from", str(history.days[8]), "--to", str(history.last))
    result = CliRunner().invoke(app, ["report", "--user", user, *days, "--out", str(tmp_path / "page.html")])
    assert result.exit_code == 0, result.output
    return Parsed.of((tmp_path / "page.html").read_text(encoding="utf-8"))


def said(key: str, value: float) -> str:
    return f"{value:,.{DIGITS[key]}f}{UNIT.get(key, '')}"


@pytest.mark.parametrize("user", ["anna", "boris"])
def test_every_number_of_the_first_sheet_is_what_the_sources_give(
    history, user, clean_environment, monkeypatch, tmp_path
):
    page = page_of(history, user, monkeypatch, tmp_path)
    units = list(history.chips)[:2] if user == "anna" else list(history.chips)[2:]
    tables = {c: rows for c, rows in page.tables.items() if c.startswith("This period and the one before")}
    assert len(tables) == len(units)
    told = 0
    for unit in units:
        ((serial,),) = history.sources.in_crm(
            "SELECT serial_number FROM crm.prostheses WHERE prosthesis_id = %s", (unit,)
        )
        (table,) = [rows for caption, rows in tables.items() if serial in caption or len(units) == 1]
        rows = {row[0]: row[1:] for row in table[1:]}
        chips, both = history.chips[unit], history.before + history.now
        assert rows.pop("Days with telemetry") == ["7 of 7", "7 of 7", "–", "–"]
        assert len(rows) == len(DIGITS)
        for key, row in zip(DIGITS, rows.values(), strict=True):
            of_all = f"SELECT {key}{' / 7' if key in ('movements', 'wear') else ''} FROM ({OF_DAY.format(group='()').replace('SELECT day,', 'SELECT', 1)}) x"
            ((now,),), ((before,),) = (
                history.ask(of_all, chips, history.now),
                history.ask(of_all, chips, history.before),
            )
            tenths = f"SELECT percentile_cont(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY {key}) FROM ({OF_DAY.format(group='day')}) x"
            ((usual,),) = history.ask(tenths, chips, both)
            change = f"""
                SELECT CASE WHEN (n - b) * (mn - mb) > 0 AND abs(mn - mb) > 3 * sqrt(vn / 7 + vb / 7) AND abs(n - b) >= {LEAST[key]}
                            THEN CASE WHEN n > b THEN 'more' ELSE 'less' END ELSE 'no clear difference' END
                FROM (SELECT %(n)s::float8 AS n, %(b)s::float8 AS b,
                      avg({key}) FILTER (WHERE day >= %(since)s) AS mn, avg({key}) FILTER (WHERE day < %(since)s) AS mb,
                      var_samp({key}) FILTER (WHERE day >= %(since)s) AS vn, var_samp({key}) FILTER (WHERE day < %(since)s) AS vb
                      FROM ({OF_DAY.format(group="day")}) x) y"""
            ((word,),) = history.sources.in_telemetry(
                change,
                {"zone": history.zone, "chips": chips, "days": both, "n": now, "b": before, "since": history.days[8]},
            )
            low, high = (said(key, v) for v in usual)
            assert row == [said(key, now), said(key, before), low if low == high else f"{low} to {high}", word], key
            told += word != "no clear difference"
    assert "In use on 7 of 7 complete days, before on 7 of 7." in page.text
    assert ("These differ from before by more than from day to day: " in page.text) == bool(told) == (user == "anna")
    week = "Movements by day of the week"
    for unit in units:
        by_weekday = history.ask(
            f"SELECT extract(isodow FROM day)::int, avg(movements), count(*) FROM ({OF_DAY.format(group='day')}) x GROUP BY 1",
            history.chips[unit],
            history.now,
        )
        (table,) = [
            rows[1:]
            for caption, rows in page.tables.items()
            if caption.startswith(week) and (len(units) == 1 or sum(int(float(r[1].replace(",", ""))) for r in rows[1:] if r[1] != "–") == sum(round(m) for _, m, _ in by_weekday))
        ]  # fmt: skip
        wanted = {n: (mean, count) for n, mean, count in by_weekday}
        assert [row[1:] for row in table] == [
            [f"{wanted[n][0]:,.0f}", str(wanted[n][1])] if n in wanted else ["–", "0"] for n in range(1, 8)
        ]
