"""A prosthesis in this period beside the period before: what can be said of it, and no more.

Whatever is compared is of complete days with telemetry. A difference is called one only if there are enough days of
both periods, it is larger than what days differ by themselves, and it is large enough to matter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import fmean, quantiles, variance

from bionicpro_assets.report.facts import DayFacts, Facts
from bionicpro_assets.report.language import Language
from bionicpro_assets.report.measures import Measures, together

# Of fewer days a mean or a usual range says little; a week has each day of the week in it.
LEAST_DAYS = 7
# How many standard errors a difference must be: six things are compared, and days aren't independent of each other.
STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class Aspect:
    """Something that is compared.

    Attributes:
        key: Its name in the words.
        kind: How a value is written: `count`, `percent`, `ms` or `hours`.
        of: Its value of a day, or of days together.
        is_sum: Whether it grows with the days, and is told of one day on average.
        digits: Decimals.
        least_share: The smallest share of the earlier value that counts as a change.
        least: The smallest difference that does, in the unit of the value.
    """

    key: str
    kind: str
    of: Callable[[Measures], float | None]
    is_sum: bool = False
    digits: int = 0
    least_share: float = 0.0
    least: float = 0.0


ASPECTS = (
    Aspect("movements", "count", lambda m: m.movements, is_sum=True, least_share=0.1),
    Aspect("wear", "hours", lambda m: m.hours, is_sum=True, digits=1, least_share=0.1),
    Aspect("success", "percent", lambda m: m.success_rate, digits=1, least=2.0),
    Aspect("response", "ms", lambda m: m.response_time, least_share=0.05),
    Aspect("battery", "percent", lambda m: m.battery, least=5.0),
    Aspect("errors", "count", lambda m: m.errors_per_1000, digits=1, least_share=0.25, least=0.5),
)
OF = {aspect.key: aspect for aspect in ASPECTS}


@dataclass(frozen=True, slots=True)
class Compared:
    """An aspect in both periods, over their complete days with telemetry.

    Attributes:
        aspect: What it is.
        now: In this period; None if it wasn't measured.
        before: In the one before.
        usual: Its usual range; None if there are too few days.
        change: -1 if it is clearly less than before, 1 if it is more, 0 if there is no clear difference, None if the
            two can't be compared.
    """

    aspect: Aspect
    now: float | None
    before: float | None
    usual: tuple[float, float] | None
    change: int | None


def usual_range(facts: Facts, aspect: Aspect) -> tuple[float, float] | None:
    """Between which values four of five days are: the complete days of this period and of the one before.

    Ten percent of the days are below it, and as many above; None if there are fewer than seven days.
    """
    days = [*facts.whole_days.values(), *(facts.previous.whole_days.values() if facts.previous else ())]
    values = _values(days, aspect)
    if len(values) < LEAST_DAYS:
        return None
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def compared(facts: Facts) -> list[Compared]:
    """All aspects of a prosthesis in both periods."""
    whole: Mapping[date, DayFacts] = facts.whole_days
    earlier: Mapping[date, DayFacts] = facts.previous.whole_days if facts.previous else {}
    found = []
    for aspect in ASPECTS:
        now, before = _mean(whole, aspect), _mean(earlier, aspect)
        change = _change(aspect, now, before, _values(whole.values(), aspect), _values(earlier.values(), aspect))
        found.append(Compared(aspect, now, before, usual_range(facts, aspect), change))
    return found


def _values(days: Iterable[DayFacts], aspect: Aspect) -> list[float]:
    return [value for day in days if (value := aspect.of(day.measures)) is not None]


def _mean(days: Mapping[date, DayFacts], aspect: Aspect) -> float | None:
    value = aspect.of(together(day.measures for day in days.values())) if days else None
    return value / len(days) if aspect.is_sum and value is not None else value


def _change(
    aspect: Aspect, now: float | None, before: float | None, days: list[float], earlier: list[float]
) -> int | None:
    if now is None or before is None or min(len(days), len(earlier)) < LEAST_DAYS:
        return None
    difference, of_days = now - before, fmean(days) - fmean(earlier)
    by_chance = STANDARD_ERRORS * sqrt(variance(days) / len(days) + variance(earlier) / len(earlier))
    matters = abs(difference) >= max(aspect.least, aspect.least_share * before)
    # The mean of the days and that of all movements may differ, where days do; then neither is told.
    is_clear = difference * of_days > 0 and abs(of_days) > by_chance and matters
    return (1 if difference > 0 else -1) if is_clear else 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands on the first page about a prosthesis.

    Attributes:
        conclusion: Sentences.
        columns: The head of the table.
        rows: A row an aspect: its name, this period, the one before, the usual range, what has changed.
        questions: What to ask the prosthetist.
    """

    conclusion: str
    columns: list[str]
    rows: list[list[str]]
    questions: list[str]


def summary(facts: Facts, lang: Language) -> Summary:
    """The first page of a prosthesis."""
    found = compared(facts)
    worn, worn_before = _worn(facts, lang), _worn(facts.previous, lang) if facts.previous else lang("format.none")
    rows = [[lang("aspect.days"), worn, worn_before, lang("format.none"), lang("format.none")]]
    for one in found:
        usual = lang("format.none")
        if one.usual:
            low, high = (_say(one.aspect, value, lang) for value in one.usual)
            usual = low if low == high else lang("format.range", low=low, high=high)
        now, before = (_say(one.aspect, value, lang) for value in (one.now, one.before))
        rows.append([lang(f"aspect.{one.aspect.key}"), now, before, usual, _changed(one, lang)])
    return Summary(
        f"{lang('summary.worn_on', now=worn, before=worn_before)} {_conclusion(facts, found, lang)}",
        [lang(f"summary.{c}") for c in ("complete_days", "now", "before", "usual", "change")],
        rows,
        _questions(facts, {one.aspect.key: one for one in found}, lang),
    )


def _say(aspect: Aspect, value: float | None, lang: Language) -> str:
    if value is None or aspect.kind == "count":
        return lang.number(value, aspect.digits)
    return lang.measure(aspect.kind, value, aspect.digits)


def _changed(one: Compared, lang: Language) -> str:
    words = {None: "format.none", -1: "summary.less", 0: "summary.same", 1: "summary.more"}
    return lang(words[one.change])


def _worn(facts: Facts, lang: Language) -> str:
    """On how many of the complete days there is telemetry."""
    complete = len(facts.period.days) - len(facts.incomplete)
    return lang("summary.worn", days=lang.number(len(facts.whole_days)), complete=lang.number(complete))


def _conclusion(facts: Facts, found: list[Compared], lang: Language) -> str:
    now, before = len(facts.whole_days), len(facts.previous.whole_days) if facts.previous else 0
    if min(now, before) < LEAST_DAYS:
        return lang("summary.too_few", least=lang.number(LEAST_DAYS))
    changed = [one for one in found if one.change]
    same = ", ".join(lang(f"aspect.{one.aspect.key}").lower() for one in found if one.change == 0)
    said = [
        lang(
            "summary.now_and_before",
            what=lang(f"aspect.{one.aspect.key}").lower(),
            now=_say(one.aspect, one.now, lang),
            before=_say(one.aspect, one.before, lang),
        )
        for one in changed
    ]
    if not said:
        return lang("summary.unchanged")
    words = lang("summary.changed", what="; ".join(said))
    return f"{words} {lang('summary.no_difference', what=same)}" if same else words


def _questions(facts: Facts, found: Mapping[str, Compared], lang: Language) -> list[str]:
    """Each with the numbers that it comes from."""
    asked = []
    for key, change in (("wear", -1), ("success", -1), ("response", 1), ("battery", -1)):
        one = found[key]
        if one.change == change:
            now, before = (_say(one.aspect, value, lang) for value in (one.now, one.before))
            asked.append(lang(f"question.{key}", now=now, before=before))
    # The lowest of a day counts whatever else the day has.
    low = sum(bool(day.low_battery) for day in facts.days.values())
    if low:
        asked.append(lang("question.low_battery", days=lang.number(low), all_days=lang.number(len(facts.days))))
    if facts.total.errors:
        errors = {day: found.measures.errors for day, found in facts.days.items()}
        day = max(errors, key=lambda day: errors[day])
        of = {"errors": lang.number(facts.total.errors), "day": lang.day(day), "most": lang.number(errors[day])}
        asked.append(lang("question.errors", **of))
    return asked or [lang("question.none")]
