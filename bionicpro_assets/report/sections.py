"""From facts to charts: which there are, and what is said about each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from bionicpro_assets.report.charts import BLUE, GREY, ORANGE, RED, Chart, Series, response_axis
from bionicpro_assets.report.facts import DayFacts, Facts, Unit
from bionicpro_assets.report.language import Language
from bionicpro_assets.report.measures import Measures, together
from bionicpro_assets.report.summary import OF, usual_range

# Of more days than these, the charts are by week.
MOST_DAYS_BY_DAY = 92
# The charts that show the person's usual range.
BANDS = {"movements", "wear", "success", "response", "battery"}


@dataclass(frozen=True, slots=True)
class Bin:
    """What one place of the horizontal axis stands for.

    Attributes:
        label: Its name.
        tick: The same, short.
        days: Its days with telemetry.
        incomplete: Whether hours of it were never loaded, or last before they had ended, or aren't kept any more, or it
            hasn't ended.
    """

    label: str
    tick: str
    days: Sequence[DayFacts]
    incomplete: bool

    @property
    def measures(self) -> Measures:
        """All its days together."""
        return together(day.measures for day in self.days)


def bins(facts: Facts, lang: Language) -> list[Bin]:
    """The places of the horizontal axis: every day of the period, or every week of a long one."""
    incomplete, days = facts.incomplete, facts.period.days
    if len(days) <= MOST_DAYS_BY_DAY:
        grouped = [[day] for day in days]
    else:
        weeks: dict[date, list[date]] = {}
        for day in days:
            weeks.setdefault(day - timedelta(days=day.weekday()), []).append(day)
        grouped = list(weeks.values())
    return [
        Bin(
            day_label(facts, group[0], lang)
            if len(days) <= MOST_DAYS_BY_DAY
            else lang("page.week_of", day=lang.day(group[0])),
            lang.short_day(group[0]),
            [facts.days[day] for day in group if day in facts.days],
            not incomplete.isdisjoint(group),
        )
        for group in grouped
    ]


def day_label(facts: Facts, day: date, lang: Language) -> str:
    """The day, and whether it still goes on."""
    return lang("page.so_far", day=lang.day(day)) if facts.is_open(day) else lang.day(day)


def unit_name(unit: Unit) -> str:
    """What a prosthesis is called where a patient has several."""
    return f"{unit.model}, {unit.serial or unit.prosthesis_id}"


def charts(facts: Facts, lang: Language, of: Unit | None = None) -> list[Chart]:
    """All charts of a page, in order; with `of`, those of one of a patient's prostheses."""
    by_day = ByDay(facts, lang)
    made = [
        by_day.movements(),
        by_day.prostheses() if not facts.user else by_day.wear(),
        hours_of_the_day(facts, lang),
        *([by_day.week()] if facts.user else []),
        by_day.success(),
        by_day.response(),
        by_day.battery(),
        by_day.errors(),
    ]
    if of is None:
        return made
    return [replace(c, key=f"{c.key}-{of.prosthesis_id}", title=f"{c.title}: {unit_name(of)}") for c in made]


class ByDay:
    """The charts that have days, or weeks, for their horizontal axis."""

    def __init__(self, facts: Facts, lang: Language) -> None:
        self.facts, self.lang = facts, lang
        self.bins = bins(facts, lang)
        self.parts = [b.measures for b in self.bins]
        self.whole = [b for b in self.bins if b.days and not b.incomplete]

    def movements(self) -> Chart:
        """Movements, those that succeeded below."""
        lang, days = self.lang, self.facts.whole_days
        words = lang("page.no_whole")
        if self.whole:
            most = max(self.whole, key=lambda b: b.measures.movements)
            words = lang("section.movements.most", most_day=most.label, most=lang.number(most.measures.movements))
        if days:
            mean = sum(day.measures.movements for day in days.values()) / len(days)
            words += " " + lang("section.movements.mean", mean=lang.number(mean))
        words += self._left_out()
        series = [
            Series(lang("chart.successful"), [m.successful for m in self.parts], "bar", BLUE),
            Series(lang("chart.failed"), [m.movements - m.successful for m in self.parts], "bar", ORANGE),
        ]
        return self._chart("movements", words, series)

    def wear(self) -> Chart:
        """Hours in use."""
        facts, lang, whole = self.facts, self.lang, self.facts.whole_days
        words = lang(
            "section.wear.words",
            days=lang.number(len(facts.days)) if lang.code == "ru" else lang.count("days", len(facts.days)),
            all_days=lang.number(len(facts.period.days)),
        )
        if whole:
            mean = sum(day.measures.hours for day in whole.values()) / len(whole)
            words += " " + lang("section.wear.mean", mean=lang.number(mean, 1))
        words += self._left_out()
        series = [Series(lang("chart.hours"), [m.hours for m in self.parts], "bar", BLUE)]
        return self._chart("wear", words, series)

    def prostheses(self) -> Chart:
        """How many prostheses were in use; of a week, on its busiest day."""
        facts, lang = self.facts, self.lang
        day, last = max(facts.days.items())
        words = lang(
            "section.fleet_wear.words",
            last_day=lang.day(day),
            last=lang.count("units", last.prostheses),
            low=lang.number(last.low_battery),
        )
        counts = [max((d.prostheses for d in b.days), default=0) for b in self.bins]
        low = [max((d.low_battery for d in b.days), default=0) for b in self.bins]
        series = [
            Series(lang("chart.prostheses"), counts, "line", BLUE),
            Series(lang("chart.low_battery"), low, "line", RED),
        ]
        return self._chart("fleet_wear", words, series)

    def week(self) -> Chart:
        """Movements on a complete day, by day of the week."""
        lang, names = self.lang, [str(name) for name in self.lang.words["chart"]["weekdays"]]
        of_day: list[list[int]] = [[] for _ in names]
        for day, found in self.facts.whole_days.items():
            of_day[day.weekday()].append(found.measures.movements)
        means = [sum(values) / len(values) if values else None for values in of_day]
        words = lang("page.no_whole")
        if any(of_day):
            most = max(range(7), key=lambda n: means[n] or 0)
            words = lang("section.week.words", day=names[most], mean=lang.number(means[most]))
        return Chart(
            key="week",
            title=lang("section.week.title"),
            words=words,
            help=lang("section.week.help"),
            axis=lang("chart.weekday"),
            labels=names,
            ticks=[str(name) for name in lang.words["chart"]["weekdays_short"]],
            series=[
                Series(lang("chart.movements"), means, "bar", BLUE),
                Series(lang("chart.days"), [len(values) for values in of_day], "table", GREY),
            ],
        )

    def success(self) -> Chart:
        """The share of movements that succeeded."""
        values = [m.success_rate for m in self.parts]
        words = self._extremes("success", self.facts.total.success_rate, values, "percent", 1)
        known = [v for v in values if v is not None]
        low = max(0.0, (min(known, default=0.0) - 2) // 10 * 10)
        series = [Series(self.lang("chart.success"), values, "line", BLUE, 1)]
        return self._chart("success", words, series, low=low, high=100.5)

    def response(self) -> Chart:
        """The response time."""
        values = [m.response_time for m in self.parts]
        words = self._extremes("response", self.facts.total.response_time, values, "ms", 0)
        low, high = response_axis(values)
        series = [Series(self.lang("chart.response"), values, "line", BLUE, 1)]
        return self._chart("response", words, series, low=low, high=high)

    def battery(self) -> Chart:
        """Battery levels."""
        lowest = [m.min_battery for m in self.parts]
        words = self._extremes("battery", self.facts.total.battery, lowest, "percent", 0)
        series = [
            Series(self.lang("chart.battery_mean"), [m.battery for m in self.parts], "line", BLUE, 1),
            Series(self.lang("chart.battery_lowest"), lowest, "thin", RED),
        ]
        return self._chart("battery", words, series, high=102)

    def errors(self) -> Chart:
        """Errors and warnings."""
        lang, total = self.lang, self.facts.total
        most = max(self.bins, key=lambda b: b.measures.errors)
        words = lang(
            f"section.errors.{'words' if total.errors else 'none'}",
            errors=lang.number(total.errors),
            warnings=lang.number(total.warnings),
            most_day=most.label,
            most=lang.number(most.measures.errors),
        )
        series = [
            Series(lang("chart.errors"), [m.errors for m in self.parts], "bar", RED),
            Series(lang("chart.warnings"), [m.warnings for m in self.parts], "table", GREY),
        ]
        return self._chart("errors", words, series)

    def _extremes(
        self, section: str, mean: float | None, values: Sequence[float | None], kind: str, digits: int
    ) -> str:
        """The mean of the period, and where the values are lowest and highest.

        A day that isn't complete may be the best or the worst by chance and is left out; but the lowest battery of all
        is the lowest whatever else the day has.
        """
        if mean is None:
            return self.lang(f"section.{section}.none")
        all_count = section == "battery"
        known = [
            (value, b.label)
            for value, b in zip(values, self.bins, strict=True)
            if value is not None and (all_count or not b.incomplete)
        ]
        say: Callable[[float], str] = lambda value: self.lang.measure(kind, value, digits)  # noqa: E731
        words = self.lang(f"section.{section}.mean", mean=say(mean))
        if not known:
            return f"{words} {self.lang('page.no_whole')}"
        (low, low_day), (high, high_day) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
        extremes = self.lang(
            f"section.{section}.words", low=say(low), low_day=low_day, high=say(high), high_day=high_day
        )
        return f"{words} {extremes}" + ("" if all_count else self._left_out())

    def _left_out(self) -> str:
        """That days aren't compared, if there are such days beside others."""
        some = self.whole and any(b.days and b.incomplete for b in self.bins)
        return f" {self.lang('page.left_out')}" if some else ""

    def _chart(
        self,
        key: str,
        words: str,
        series: Sequence[Series],
        *,
        low: float | None = 0,
        high: float | None = None,
    ) -> Chart:
        lang = self.lang
        by_day = len(self.bins) == len(self.facts.period.days)
        # Of weeks, or of several prostheses, the range of a prosthesis' days says nothing.
        band = usual_range(self.facts, OF[key]) if key in BANDS and self.facts.previous and by_day else None
        said = ""
        if band:
            least, most = (lang.number(value, OF[key].digits) for value in band)
            said = " " + lang("page.band", low=least, high=most)
        return Chart(
            key=key,
            title=lang(f"section.{key}.title"),
            words=words,
            help=lang(f"section.{key}.help") + said,
            axis=lang("chart.day" if by_day else "chart.week"),
            labels=[b.label for b in self.bins],
            ticks=[b.tick for b in self.bins],
            series=series,
            low=low,
            high=high,
            shaded=[b.incomplete for b in self.bins],
            shaded_words=lang("page.incomplete"),
            band=band,
        )


def hours_of_the_day(facts: Facts, lang: Language) -> Chart:
    """Movements in an hour, by hour of the day, over the hours that were loaded as a whole."""
    means = facts.typical
    most = max(range(24), key=lambda hour: means[hour] or 0)
    words = lang("section.by_hour.words", from_hour=_clock(most), to_hour=_clock(most + 1))
    return Chart(
        key="by_hour",
        title=lang("section.by_hour.title"),
        words=words if means[most] else lang("section.by_hour.none"),
        help=lang("section.by_hour.help"),
        axis=lang("chart.hour"),
        labels=[f"{_clock(hour)}–{_clock(hour + 1)}" for hour in range(24)],
        ticks=[str(hour) for hour in range(24)],
        series=[Series(lang("chart.movements"), means, "bar", BLUE, 1)],
    )


def _clock(hour: int) -> str:
    return f"{hour:02d}:00"
