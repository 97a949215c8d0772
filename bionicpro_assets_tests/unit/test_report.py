"""Weights, words, days and pictures of the reports."""

import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bionicpro_assets.days import day_begins, day_range, hours_of_day, local_day, parse_day
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.folders import keep_private
from bionicpro_assets.hours import HOUR, hour_range
from bionicpro_assets.late.days_due import ranges
from bionicpro_assets.report.charts import BLUE, INK, ORANGE, RED, SOFT, Chart, Series, draw
from bionicpro_assets.report.facts import DayFacts, Facts, Unit
from bionicpro_assets.report.files import drop_old_pages, file_name, write_fleet_page, write_page
from bionicpro_assets.report.language import LANGUAGES, language
from bionicpro_assets.report.measures import Measures, together
from bionicpro_assets.report.page import TEMPLATES, render
from bionicpro_assets.report.period import Period, period
from bionicpro_assets.report.picture import day_picture
from bionicpro_assets.report.quality import Quality
from bionicpro_assets.transform.join import NO_WEARER, UNKNOWN_CHIP
from bionicpro_assets.transform.validate import ASKEW, DOUBLED, rules

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"]  # fmt: skip
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("UTC", "2026-10-25", 24),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/St_Johns", "2026-11-01", 25),
        ("Asia/Kolkata", "2026-10-25", 24),
        # Clocks that change by half an hour: as many whole hours as begin in the day.
        ("Australia/Lord_Howe", "2026-04-05", 25),
    ],
)
def test_a_day_has_as_many_hours_as_begin_in_it(zone, day, count):
    assert len(hours_of_day(date.fromisoformat(day), zone)) == count


@pytest.mark.parametrize("zone", ZONES)
def test_every_hour_is_in_the_day_of_its_local_date_and_in_no_other(zone):
    days = day_range(date(2026, 1, 1), date(2026, 12, 31))
    found = [hour for day in days for hour in hours_of_day(day, zone)]
    assert found == hour_range(found[0], found[-1])
    assert all(local_day(hour, zone) == day for day in days for hour in hours_of_day(day, zone))
    assert timedelta(0) <= hours_of_day(days[0], zone)[0] - day_begins(days[0], zone) < HOUR


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-2-3", "20260203", "2026-02-03T00:00", "yesterday", "", "2026-W06-1"]
)
def test_what_is_no_day(text):
    with pytest.raises(ValueError, match="is not a day; write it like 2026-11-24"):
        parse_day(text)


def test_days_that_follow_one_another_are_one_range():
    days = [date(2026, 11, d) for d in (3, 1, 2, 9, 30)] + [date(2026, 12, 1)]
    assert [(str(a), str(b)) for a, b in ranges(days)] == [
        ("2026-11-01", "2026-11-03"),
        ("2026-11-09", "2026-11-09"),
        ("2026-11-30", "2026-12-01"),
    ]


def test_by_default_a_period_ends_today_and_begins_no_earlier_than_the_data():
    start = NOW - timedelta(days=400)
    assert period(None, None, zone="UTC", start=start, now=NOW, default_days=30) == Period(
        date(2026, 10, 26), date(2026, 11, 24), "UTC"
    )
    # In Auckland it is the next day already; what is asked for beyond today ends today.
    assert period("2026-11-25", "2026-12-31", zone="Pacific/Auckland", start=start, now=NOW, default_days=7).days == [
        date(2026, 11, 25)
    ]
    assert period(None, None, zone="UTC", start=NOW - timedelta(days=2), now=NOW, default_days=30).first == date(
        2026, 11, 22
    )
    # The default's days are counted from today then, too.
    assert period(None, "2027-06-30", zone="UTC", start=start, now=NOW, default_days=7) == Period(
        date(2026, 11, 18), date(2026, 11, 24), "UTC"
    )
    with pytest.raises(PlatformError, match="--from 2026-11-24 is after --to 2026-11-20"):
        period("2026-11-24", "2026-11-20", zone="UTC", start=start, now=NOW, default_days=7)
    with pytest.raises(PlatformError, match="hasn't begun in UTC; today is 2026-11-24 there"):
        period("2026-11-25", None, zone="UTC", start=start, now=NOW, default_days=7)


HOURS = st.builds(
    lambda movements, share, response, battery, heat, errors: (movements, int(movements * share), response, battery, heat, errors),
    st.integers(0, 4000), st.floats(0, 1), st.one_of(st.none(), st.floats(1, 5000)), st.one_of(st.none(), st.floats(0.5, 100)),
    st.one_of(st.none(), st.floats(-40, 120)), st.integers(0, 3600),
)  # fmt: skip


def measured(hour: tuple[Any, ...]) -> Measures:
    movements, successful, response, battery, heat, errors = hour
    return Measures(
        1, movements, successful, (response or 0) * movements if response else 0, movements if response else 0,
        battery, battery or 0, int(battery is not None), heat, errors, 2 * errors, battery or 0, int(battery is not None),
    )  # fmt: skip


@given(st.lists(HOURS, max_size=40), st.randoms())
def test_averages_are_those_of_the_whole_however_it_is_put_together(hours, dice):
    """Movement by movement and hour by hour, whatever days the hours are grouped into, and in whatever order."""
    parts = [measured(h) for h in hours]
    dice.shuffle(parts)
    cuts = sorted(dice.randrange(len(parts) + 1) for _ in range(3))
    groups = [parts[a:b] for a, b in zip([0, *cuts], [*cuts, len(parts)], strict=True)]
    total = together(together(group) for group in groups)
    movements = sum(h[0] for h in hours)
    assert (total.hours, total.movements, total.errors) == (len(hours), movements, sum(h[5] for h in hours))
    assert total.success_rate == (pytest.approx(100 * sum(h[1] for h in hours) / movements) if movements else None)
    timed = [(h[2], h[0]) for h in hours if h[2] is not None]
    each_movement = math.fsum(response * n for response, n in timed)
    weight = sum(n for _, n in timed)
    assert total.response_time == (pytest.approx(each_movement / weight) if weight else None)
    levels = [h[3] for h in hours if h[3] is not None]
    assert total.battery == (pytest.approx(math.fsum(levels) / len(levels)) if levels else None)
    assert total.min_battery == min(levels, default=None)
    assert total.max_temp == max((h[4] for h in hours if h[4] is not None), default=None)


def texts(words: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in words.items():
        found |= texts(value, f"{path}.{name}") if isinstance(value, dict) else {f"{path}.{name}": value}
    return found


def test_both_languages_have_the_same_texts_and_values():
    english, russian = (texts(language(code).words) for code in ("en", "ru"))
    assert set(english) == set(russian)
    for path, text in english.items():
        if isinstance(text, str):
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", russian[path])), path
            assert path.startswith((".format", ".quality.reason", ".page.period", ".page.one_day")) or re.search(
                "[А-Яа-я]", russian[path]
            ), path
    assert len(language("ru").words["count"]["days"]) == 3
    for lang in map(language, LANGUAGES):
        assert set(lang.words["quality"]["reason"]) == {*NO_WEARER.values(), UNKNOWN_CHIP}


def test_every_rule_of_the_quarantine_is_said_in_the_pages_language():
    for rule in (*rules(), ASKEW, DOUBLED):
        # The name of a zone is the same in both.
        assert not re.search("[A-Za-z]", language("ru").reason(rule).replace("UTC", "")), rule
        assert "_" not in language("en").reason(rule), rule
    both = "the CRM doesn't know the chip; avg_battery_level is outside 0 to 100"
    assert (
        language("ru").reason(both)
        == "CRM не знает чип; невозможные значения (средний заряд: вне пределов от 0 до 100)"
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "1 час"), (2, "2 часа"), (5, "5 часов"), (11, "11 часов"), (21, "21 час"), (22, "22 часа"), (112, "112 часов"), (0, "0 часов"), (1001, "1\xa0001 час")],
)  # fmt: skip
def test_russian_has_three_forms(number, said):
    assert language("ru").count("hours", number) == said


def test_numbers_and_days_are_written_as_readers_do():
    english, russian = language("en"), language("ru")
    assert (english.number(12345.678, 1), russian.number(12345.678, 1)) == ("12,345.7", "12\xa0345,7")
    assert (english.number(None), english.measure("ms", None)) == ("–", "not measured")
    assert (english.day(date(2026, 5, 3)), russian.day(date(2026, 5, 3))) == ("3 May 2026", "3 мая 2026")
    assert (
        english.reason("the CRM doesn't know the chip; battery is odd")
        == "the CRM doesn't know the chip; values that cannot be (battery is odd)"
    )
    assert (
        russian.reason("the CRM doesn't know the chip; battery is odd")
        == "CRM не знает чип; невозможные значения (battery is odd)"
    )


def chart(values: list[float | None], **other: Any) -> Chart:
    labels = [str(i) for i in range(len(values))]
    drawn = [Series("a & b", values, "bar", BLUE, 1), Series("<c>", values, "line", RED)]
    return Chart("key", "A <title>", "Words & more.", "Help.", "Day", labels, labels, drawn, **other)


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [None, None], [3.0, None, 5.5], [float(i) for i in range(366)]])
@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_a_chart_has_a_name_a_description_and_ids_of_its_own(values, width):
    made = chart(values, shaded=[True] * len(values))
    root = ET.fromstring(draw(made, language("en"), width))
    namespace = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    said = {e.get("id"): e.text for e in root if e.tag in (f"{namespace}title", f"{namespace}desc")}
    assert said == {f"key-{width}-name": "A <title>", f"key-{width}-says": "Words & more. Help."}
    assert "width" not in root.attrib
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert all(i.startswith(f"key-{width}-") for i in ids)
    used = re.findall(r'(?:href="|url\()#([\w-]+)', draw(made, language("en"), width))
    assert set(used) <= set(ids)
    assert len(list(root.iter(f"{namespace}title"))) == 1 + len(values)


def facts(days: int = 3, user: str = "") -> Facts:
    first = date(2026, 11, 1)
    measures = Measures(10, 100, 90, 12_000.0, 100, 33, 700.0, 10, 41.5, 4, 7, 900.0, 10)
    told = {first + timedelta(days=i): DayFacts(measures, 2, 1, 2, 0) for i in range(days)}
    unit = Unit(7, "Model", "hand", "S-7", first, first, measures)
    about = Period(first, first + timedelta(days=days - 1), "UTC")
    name = "A <b>Name</b>" if user else ""
    return Facts(about, user, name, told, [measures] * 24, [100.0] * 24, [unit], Quality(24 * days), NOW)


def test_what_people_are_called_is_text_and_nothing_else():
    page = render(facts(user="<script>alert(1)</script>"), "en")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "A &lt;b&gt;Name&lt;/b&gt;" in page


@pytest.mark.parametrize(("code", "user"), [("en", "anna"), ("ru", "")])
def test_a_year_is_told_by_the_week_and_a_page_stays_small(code, user):
    page = render(facts(366, user), code)
    assert language(code)("page.week_of", day=language(code).day(date(2026, 11, 9))) in page
    assert len(page.encode()) < 600_000


def test_hours_that_cant_be_relied_on_are_told_apart():
    """Never loaded, last read too early, and no longer kept are three things, and none of them is complete."""
    first, complete = datetime(2026, 11, 1, tzinfo=UTC), "of the period that have ended were loaded."
    whole = facts(3)
    assert f"All 72 hours {complete}" in render(whole, "en")
    for quality, said in (
        (Quality(72, missing=[first]), "Never loaded: 1 hour of 72 hours"),
        (Quality(72, unfinished=[first]), "Last loaded before they had ended: 1 hour of 72 hours"),
        (Quality(0, dropped=whole.period.days), "No longer kept: 3 days of the period, those before 4 Nov 2026."),
    ):
        page = render(replace(whole, quality=quality), "en")
        assert said in page
        assert complete not in page
        assert language("en")("page.incomplete") in page
    part = render(replace(whole, quality=Quality(48, dropped=whole.period.days[:1])), "en")
    assert "No longer kept: 1 day of the period, those before 2 Nov 2026." in part
    assert f"All 48 hours {complete}" in part


def test_a_day_that_still_goes_on_says_so():
    page = render(facts(24), "en")
    assert "24 Nov 2026, so far" in page
    assert "23 Nov 2026, so far" not in page
    assert "The last day, 24 Nov 2026, so far" in page


def test_a_period_without_a_movement_has_no_rates():
    still = Measures(hours=5, warnings=1)
    page = render(
        replace(facts(2, "anna"), days={date(2026, 11, 2): DayFacts(still, 1, 1, 1)}, by_hour=[Measures()] * 24), "en"
    )
    for sentence in (
        "There were no movements, and so no rate.",
        "No response time was measured.",
        "There was no error.",
    ):
        assert sentence in page
    assert "nan" not in page.lower().replace("name", "")


def test_the_picture_of_a_day_is_small_also_of_an_empty_one():
    measures = Measures(10, 1000, 900, 120_000.0, 1000, 33, 700.0, 10, 41.5, 4, 7, 900.0, 10)
    for hours in ([measures] * 24, [Measures()] * 24):
        picture = day_picture(hours, "2026-11-24")
        assert re.fullmatch(r"!\[2026-11-24[^\]]*\]\(data:image/png;base64,[A-Za-z0-9+/=]+\)", picture)
        assert len(picture) < 60_000


def test_files_are_named_after_what_they_are_about_and_replaced_as_a_whole(tmp_path):
    days = Period(date(2026, 11, 1), date(2026, 11, 2), "UTC")
    # The digits: printf 'anna' | sha256sum
    assert file_name(days, "anna", "ru") == "report-anna-55579b557896d0ce-2026-11-01-2026-11-02-ru.html"
    assert file_name(days, "../../a b/ц", "ru").startswith("report-.._.._a_b_ц-")
    assert file_name(replace(days, last=days.first), "", "en") == "fleet-2026-11-01-en.html"
    target = tmp_path / "page.html"
    target.write_text("old")
    target.chmod(0o644)
    write_page(target, "new")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(PlatformError, match="can't be written: it isn't a regular file, and isn't replaced"):
        write_page(tmp_path, "new")


def test_the_latest_page_is_that_of_the_newest_day(tmp_path):
    folder = tmp_path / "pages"
    for day, page in ((2, "second"), (1, "first"), (2, "second again")):
        write_fleet_page(folder, date(2026, 11, day), page, "en", served=False)
    assert (folder / "fleet-latest-en.html").read_text() == "second again"
    assert sorted(f.name for f in folder.iterdir()) == [
        "fleet-2026-11-01-en.html",
        "fleet-2026-11-02-en.html",
        "fleet-latest-en.html",
    ]
    with pytest.raises(PlatformError, match="can't be made: .* It is BIONICPRO_PAGES"):
        write_fleet_page(folder / "fleet-latest-en.html" / "x", date(2026, 11, 1), "", "en", served=False)


@pytest.mark.parametrize(("served", "modes"), [(False, (0o700, 0o600)), (True, (0o755, 0o644))])
def test_the_fleets_pages_are_for_others_only_in_a_folder_that_is_named_for_them(tmp_path, served, modes):
    keep_private()
    page = write_fleet_page(tmp_path / "pages", date(2026, 11, 1), "page", "en", served=served)
    assert (page.parent.stat().st_mode & 0o777, page.stat().st_mode & 0o777) == modes


LOGINS = st.one_of(
    st.text(st.characters(), min_size=1, max_size=300),
    st.text("абвгАБВГ", min_size=1, max_size=3),
    st.text("aA.- /\\_\u200f\u202e\x00\x01\n\u0301éİıſ", min_size=1, max_size=4),
    st.text("x", min_size=20, max_size=260),
)


@given(st.lists(LOGINS, min_size=2, max_size=20, unique=True))
@example(["иванов", "петров"])
@example(["anna", "Anna", "ANNA", "anna ", "anna.", "an/na", "an_na", "anna\u200f", "anna\x00", "a\u0301nna", "ánna"])
@example(["x" * 249 + "a", "x" * 249 + "b"])
@example(["\udcff", "\udcfe"])
@example([".", "..", "/", "~", "-", "con", "*"])
def test_no_two_logins_have_pages_of_the_same_name(logins):
    """Also where the file system takes letters of either case, and of either Unicode form, for the same."""
    days = Period(date(2026, 11, 1), date(2026, 11, 30), "UTC")
    names = [file_name(days, login, "en") for login in logins]
    assert len({unicodedata.normalize("NFKD", name).casefold() for name in names}) == len(logins)
    for name in names:
        assert len(name.encode()) <= 255
        assert re.fullmatch(r"report-[\w.-]*-[0-9a-f]{16}-2026-11-01-2026-11-30-en\.html", name)


@pytest.mark.parametrize("login", ["иванов", "x" * 250, "../../a/b", "a\u202eb c\x01"])
def test_every_login_has_a_file_that_can_be_written(tmp_path, login):
    days = Period(date(2026, 11, 1), date(2026, 11, 30), "UTC")
    write_page(tmp_path / file_name(days, login, "en"), login)
    assert [path.read_text() for path in tmp_path.iterdir()] == [login]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_what_is_written_and_drawn_stands_out_from_the_paper():
    css = (TEMPLATES / "page.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css))
    for paper in ("paper", "ground"):
        assert min(contrast(colours[c], colours[paper]) for c in ("ink", "soft", "blue")) >= 4.5
    assert min(contrast(c, colours["paper"]) for c in (INK, SOFT)) >= 4.5
    assert min(contrast(c, colours["paper"]) for c in (BLUE, ORANGE, RED)) >= 3
    # The two of a chart are told apart in grey too.
    assert contrast(BLUE, ORANGE) > 1.6


def test_pages_are_kept_for_so_many_days(tmp_path):
    days = [date(2026, 11, day) for day in (1, 2, 20, 24)]
    for code in LANGUAGES:
        for day in days:
            write_fleet_page(tmp_path, day, "page", code, served=True)
    for name in ("fleet-notes.html", "report-anna-2025-01-01-en.html"):
        (tmp_path / name).write_text("somebody's own")
    assert drop_old_pages(tmp_path, date(2026, 11, 24), keep_days=22) == 2
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {
        *(f"fleet-{day}-{code}.html" for code in LANGUAGES for day in days[1:]),
        *(f"fleet-latest-{code}.html" for code in LANGUAGES),
        "fleet-notes.html",
        "report-anna-2025-01-01-en.html",
    }
    assert drop_old_pages(tmp_path, date(2026, 11, 24), keep_days=22) == 0
    assert drop_old_pages(tmp_path / "nowhere", date(2026, 11, 24), keep_days=1) == 0
