"""A page: one HTML file that needs nothing else, neither a network nor a script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bionicpro_assets.days import DAY, local_day
from bionicpro_assets.hours import HOUR, describe_ranges
from bionicpro_assets.report.charts import Chart, draw
from bionicpro_assets.report.facts import DayFacts, Facts, Unit
from bionicpro_assets.report.language import Language, language
from bionicpro_assets.report.measures import together
from bionicpro_assets.report.sections import charts, day_label, unit_name
from bionicpro_assets.report.summary import Summary, summary

TEMPLATES = Path(__file__).with_name("templates")
# Ranges of hours that are named one by one.
RANGES_NAMED = 40
DAYS_NAMED = 10


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that stands out: what it is, the number, and what belongs to it."""

    name: str
    value: str
    note: str


def render(facts: Facts, code: str) -> str:
    """The page of these facts, in the language with this code."""
    lang = language(code)
    period = facts.period
    last_day, last = max(facts.days.items())
    made = facts.read_at.astimezone(ZoneInfo(period.zone))
    one_day = period.first == period.last
    return str(
        _template().render(
            t=lang,
            facts=facts,
            title=lang("page.user_title" if facts.user else "page.fleet_title"),
            name=facts.name or lang("page.fleet_name"),
            period=lang(
                "page.one_day" if one_day else "page.period", first=lang.day(period.first), last=lang.day(period.last)
            ),
            made=lang("page.made", at=f"{lang.day(made.date())} {made:%H:%M}", zone=period.zone),
            tiles=_sums(facts, lang) if facts.panels else _tiles(facts, lang),
            summaries=_summaries(facts, lang),
            panels=_panels(facts, lang),
            last_day=lang("tile.last_day", day=day_label(facts, last_day, lang)),
            last_tiles=() if facts.user or one_day else _last_day_tiles(facts, last, lang),
            shaded=lambda chart: any(chart.shaded),
            units=[list(_unit(facts, unit, lang).values()) for unit in facts.units],
            unit_columns=[lang(f"units.{c}") for c in _unit(facts, facts.units[0], lang)],
            quality=_quality(facts, lang),
            missing=describe_ranges(facts.quality.missing, RANGES_NAMED) if facts.quality.missing else "",
            glossary=[lang(f"glossary.{name}") for name in ("movements", "success", "response", "battery", "errors")],
            css=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        )
    )


def _summaries(facts: Facts, lang: Language) -> list[tuple[str, Summary]]:
    """A patient's prostheses, each beside the period before; without a name, if it is one."""
    if facts.panels:
        return [(unit_name(p.units[0]), summary(p, lang)) for p in facts.panels]
    return [("", summary(facts, lang))] if facts.user else []


def _panels(
    facts: Facts, lang: Language
) -> list[tuple[str, list[Tile], list[tuple[Chart, str, str, list[list[str]]]]]]:
    """Heading, tiles and charts: a panel for each of a patient's prostheses; without a heading, if it is one."""
    if not facts.panels:
        return [("", [], _drawn(facts, lang))]
    return [(unit_name(p.units[0]), _tiles(p, lang), _drawn(p, lang, p.units[0])) for p in facts.panels]


def _drawn(facts: Facts, lang: Language, of: Unit | None = None) -> list[tuple[Chart, str, str, list[list[str]]]]:
    """The charts: each as it is wide, as it is narrow, and as a table."""
    return [
        (chart, draw(chart, lang, "wide"), draw(chart, lang, "narrow"), chart.table(lang))
        for chart in charts(facts, lang, of)
    ]


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _tiles(facts: Facts, lang: Language) -> list[Tile]:
    """The period in numbers."""
    total, days = facts.total, facts.whole_days
    whole = together(day.measures for day in days.values())
    # Of several prostheses, a day can have more than 24 hours.
    per_day = "hours_per_day" if facts.user else "hours_per_day_many"
    of_movements = lang(
        "tile.of_movements", successful=lang.number(total.successful), movements=lang.number(total.movements)
    )
    lowest = lang("tile.lowest", number=lang.measure("percent", total.min_battery))
    return [
        Tile(
            lang("tile.movements"),
            lang.number(total.movements),
            lang("tile.per_day", number=lang.number(whole.movements / len(days)))
            if days
            else lang("tile.no_whole_day"),
        ),
        Tile(lang("tile.success"), lang.measure("percent", total.success_rate, 1), of_movements),
        Tile(lang("tile.response"), lang.measure("ms", total.response_time), lang("tile.by_movements")),
        Tile(
            lang("tile.wear"),
            lang.number(total.hours),
            lang(f"tile.{per_day}", number=lang.number(whole.hours / len(days), 1))
            if days
            else lang("tile.no_whole_day"),
        ),
        Tile(lang("tile.battery"), lang.measure("percent", total.battery), lowest),
        Tile(
            lang("tile.errors"),
            lang.number(total.errors),
            lang("tile.per_1000", number=lang.number(total.errors_per_1000, 1)),
        ),
    ]


def _sums(facts: Facts, lang: Language) -> list[Tile]:
    """Of several prostheses of a patient, what can be added up."""
    names = {lang("tile.movements"), lang("tile.errors")}
    return [tile for tile in _tiles(facts, lang) if tile.name in names]


def _last_day_tiles(facts: Facts, last: DayFacts, lang: Language) -> list[Tile]:
    """The last day of a fleet, beside the days before it."""
    last_day = max(facts.days)
    before = [found for day, found in facts.whole_days.items() if day < last_day]

    def mean(total: float) -> str:
        return lang("tile.before", number=lang.number(total / len(before))) if before else lang("tile.none_before")

    def ratio(said: str) -> str:
        return lang("tile.ratio_before", number=said) if before else lang("tile.none_before")

    then, now = together(d.measures for d in before), last.measures
    return [
        Tile(
            lang("tile.prostheses"),
            lang.number(last.prostheses),
            mean(sum(d.prostheses for d in before)),
        ),
        Tile(
            lang("tile.movements"),
            lang.number(now.movements),
            mean(then.movements),
        ),
        Tile(
            lang("tile.success"),
            lang.measure("percent", now.success_rate, 1),
            ratio(lang.measure("percent", then.success_rate, 1)),
        ),
        Tile(
            lang("tile.response"),
            lang.measure("ms", now.response_time),
            ratio(lang.measure("ms", then.response_time)),
        ),
        Tile(
            lang("tile.battery"),
            lang.measure("percent", now.battery),
            ratio(lang.measure("percent", then.battery)),
        ),
        Tile(
            lang("tile.errors"),
            lang.number(now.errors),
            mean(then.errors),
        ),
    ]


def _unit(facts: Facts, unit: Unit, lang: Language) -> dict[str, str]:
    """A prosthesis as a row of the table, by column."""
    m, span = unit.measures, (unit.first_date, unit.last_date)
    row = {
        "id": str(unit.prosthesis_id),
        "model": unit.model,
        "category": lang.category(unit.category),
        "serial": unit.serial,
        "span": lang.day(span[0]) if span[0] == span[1] else f"{lang.short_day(span[0])} – {lang.day(span[1])}",
        "hours": lang.number(m.hours),
        "movements": lang.number(m.movements),
        "success": lang.measure("percent", m.success_rate, 1),
        "response": lang.measure("ms", m.response_time),
        "lowest": lang.measure("percent", m.min_battery),
        "hottest": lang.measure("degrees", m.max_temp, 1),
        "errors": lang.number(m.errors),
    }
    # When a patient had which is worth knowing; of a fleet it is the period, nearly always.
    del row["hottest" if facts.user else "span"]
    return row


def _quality(facts: Facts, lang: Language) -> list[tuple[str, list[str]]]:
    """What is to be said of the data: sentences, each with its particulars."""
    found = facts.quality
    hours = lang.count("hours", found.hours)
    said: list[tuple[str, list[str]]] = []
    if found.dropped:
        dropped, first_kept = lang.count("days", len(found.dropped)), max(found.dropped) + DAY
        said.append((lang("quality.dropped", days=dropped, day=lang.day(first_kept)), []))
    if found.before:
        first = (max(found.before) + HOUR).astimezone(ZoneInfo(facts.period.zone))
        since = f"{lang.day(first.date())} {first:%H:%M}"
        said.append((lang("quality.before", hours=lang.count("hours", len(found.before)), since=since), []))
    if found.missing:
        missing = lang.count("hours", len(found.missing))
        said.append((lang("quality.missing", missing=missing, hours=hours), [_days_of(found.missing, facts, lang)]))
    if found.unfinished:
        unfinished = lang.count("hours", len(found.unfinished))
        words = lang("quality.unfinished", unfinished=unfinished, hours=hours)
        said.append((words, [_days_of(found.unfinished, facts, lang)]))
    if not found.missing and not found.unfinished and (found.hours or not (found.dropped or found.before)):
        said.append((lang("quality.complete_since" if found.before else "quality.complete", hours=hours), []))
    if found.rejected:
        rows = lang.count("rows", sum(found.rejected.values()))
        why = [f"{lang.reason(reason)}: {lang.number(count)}" for reason, count in found.rejected.items()]
        said.append((lang(f"quality.rejected_{'user' if facts.user else 'fleet'}", rows=rows), why))
    else:
        said.append((lang("quality.no_rejected"), []))
    key = "assumed" if found.assumed else "no_assumed"
    said.append((lang(f"quality.{key}", rows=lang.count("rows", found.assumed)), []))
    return said


def _days_of(hours: Sequence[datetime], facts: Facts, lang: Language) -> str:
    """The days that the hours are of, the first few by name."""
    days = sorted({local_day(hour, facts.period.zone) for hour in hours})
    return ", ".join(map(lang.day, days[:DAYS_NAMED])) + (" …" if len(days) > DAYS_NAMED else "")
