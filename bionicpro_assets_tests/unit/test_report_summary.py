"""What the first page of a patient says: never more than the numbers do."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from bionicpro_assets.report.facts import DayFacts, Facts, Unit
from bionicpro_assets.report.language import LANGUAGES, language
from bionicpro_assets.report.measures import Measures
from bionicpro_assets.report.page import render
from bionicpro_assets.report.period import Period
from bionicpro_assets.report.quality import Quality
from bionicpro_assets.report.summary import OF, compared, summary, usual_range

FIRST = date(2026, 11, 1)
NOW = datetime(2026, 12, 31, tzinfo=UTC)
WORDS = language("en")


def day(movements: int = 1000, response: float = 130.0, battery: float = 70.0, hours: int = 10) -> Measures:
    return Measures(hours, movements, movements, response * movements, movements, 20, battery * hours, hours)


def of(first: date, days: list[Measures], quality: Quality | None = None) -> Facts:
    told = {first + timedelta(days=i): DayFacts(m, 1, 1, 1, 0) for i, m in enumerate(days) if m.hours}
    about = Period(first, first + timedelta(days=len(days) - 1), "UTC")
    unit = Unit(7, "Model", "hand", "S-7", first, first, Measures())
    return Facts(about, "anna", "Anna", told, [Measures()] * 24, [None] * 24, [unit], quality or Quality(), NOW)


def pair(days: list[Measures], before: list[Measures], quality: Quality | None = None) -> Facts:
    made = of(FIRST, days, quality)
    return replace(made, previous=of(FIRST - timedelta(days=len(before)), before))


def changes(facts: Facts) -> dict[str, int | None]:
    return {one.aspect.key: one.change for one in compared(facts)}


def around(value: float, spread: float, days: int = 14) -> list[float]:
    """Values whose mean is `value`, each `spread` above or below."""
    return [value + spread * (-1) ** n for n in range(days)]


def test_a_change_is_told_where_it_is_larger_than_from_day_to_day():
    facts = pair([day(int(n)) for n in around(700, 50)], [day(int(n)) for n in around(1000, 50)])
    assert changes(facts)["movements"] == -1
    said = summary(facts, WORDS)
    assert (
        "These differ from before by more than from day to day: movements a day 700, before 1,000." in said.conclusion
    )
    assert "No clear difference: hours in use a day, success rate, response time, mean battery level" in said.conclusion


@pytest.mark.parametrize(
    ("now", "before"),
    [
        # As large as from day to day: 3 standard errors of these are 214.
        (around(850, 250), around(1000, 250)),
        # Steady, and too small to matter: less than a tenth.
        (around(950, 1), around(1000, 1)),
        # Too few days, however much it is.
        (around(100, 1, 6), around(1000, 1, 6)),
    ],
)
def test_no_change_is_told_of_less(now, before):
    facts = pair([day(int(n)) for n in now], [day(int(n)) for n in before])
    assert not changes(facts)["movements"]
    assert "differ from before" not in summary(facts, WORDS).conclusion


def test_a_millisecond_is_no_change_and_no_cliff():
    facts = pair([day(response=131)] * 14, [day(response=130)] * 14)
    assert changes(facts)["response"] == 0
    assert summary(facts, WORDS).conclusion.endswith("or too small to matter.")


def test_a_mean_of_movements_and_one_of_days_that_disagree_tell_nothing():
    """Most days are slower, but on the one with most of the movements the prosthesis is as quick as never before."""
    facts = pair(
        [day(10, 150 + n % 2) for n in range(13)] + [day(100_000, 100)], [day(10, 120 + n % 2) for n in range(14)]
    )
    response = next(one for one in compared(facts) if one.aspect.key == "response")
    assert response.now is not None
    assert response.now < 120.5 < 140
    assert response.change == 0


def test_days_that_are_not_complete_are_in_nothing():
    """The 14th was loaded in part."""
    part = Quality(24 * 14, missing=[datetime(2026, 11, 14, 5, tzinfo=UTC)])
    facts = pair([*[day(1000)] * 13, day(9000)], [day(1000)] * 14, part)
    assert {one.now for one in compared(facts) if one.aspect.key == "movements"} == {1000}
    assert usual_range(facts, OF["movements"]) == (1000, 1000)
    assert "In use on 13 of 13 complete days, before on 14 of 14." in summary(facts, WORDS).conclusion


def test_days_without_a_sign_of_life_are_told():
    facts = pair([day()] * 7 + [Measures()] * 7, [day()] * 14)
    assert "In use on 7 of 14 complete days, before on 14 of 14." in summary(facts, WORDS).conclusion


def test_the_usual_range_has_four_of_five_days_in_it():
    # 1, 2, … 21: the tenths are at 3 and at 19.
    facts = pair([day(n) for n in range(1, 11)], [day(n) for n in range(11, 22)])
    assert usual_range(facts, OF["movements"]) == (3, 19)
    assert usual_range(pair([day(1)] * 3, [day(1)] * 3), OF["movements"]) is None


def test_questions_have_their_numbers():
    facts = pair([day(response=160, battery=55)] * 14, [day(response=130, battery=70)] * 14)
    assert summary(facts, WORDS).questions == [
        "The prosthesis takes 160\xa0ms to respond, before 130\xa0ms. Have settings or firmware changed?",
        "The battery is at 55\xa0% on average, before 70\xa0%. Is it charged as before, or does it wear out?",
    ]
    assert summary(pair([day()] * 14, [day()] * 14), WORDS).questions == ["The numbers suggest no question."]


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_begins_with_it(code):
    page = render(pair([day()] * 14, [day()] * 14), code)
    lang = language(code)
    heads = [lang(f"{name}.title") for name in ("summary", "question", "quality", "section.movements", "section.week")]
    assert sorted(heads, key=page.index) == heads
    assert (
        lang("page.band", low="1,000" if code == "en" else "1\xa0000", high="1,000" if code == "en" else "1\xa0000")
        in page
    )
