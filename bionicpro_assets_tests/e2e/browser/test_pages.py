"""The pages of `bionicpro report` as their readers see them: on a screen, on a phone, on paper; without a network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.report.language import language
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.demo import Fleet, make_crm
from bionicpro_assets.setup.embedded import embedded_postgres, embedded_settings
from bionicpro_assets.setup.postgres import apply_postgres_schema, run_scripts, transaction
from bionicpro_assets_tests.e2e.browser.conftest import ask, bionicpro, shot
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.publishing import publish_window

pytestmark = pytest.mark.browser

DAYS = 28
WIDTHS = {"desktop": 1100, "phone": 360}
# Hours of the 24th day that are never loaded.
NOT_LOADED = range(23 * 24 + 7, 23 * 24 + 13)
CHARTS = {"patient": 8, "fleet": 7}


@dataclass(frozen=True)
class Pages:
    """Files by name, and what is on them."""

    folder: Path
    users: list[str]

    def open(self, page: Page, name: str) -> None:
        page.goto((self.folder / f"{name}.html").as_uri())


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    """Four weeks of 30 prostheses, six hours of them not loaded, some telemetry set aside."""
    now = floor_hour(datetime.now(UTC))
    since = now.replace(hour=0) - timedelta(days=DAYS - 1)
    with folder_for_postgres() as folder, embedded_postgres(folder / "postgres") as urls:
        crm = PostgresSource("crm_db", urls["crm_db"], "BIONICPRO_CRM_DB_URL")
        make_crm(crm, Fleet())
        telemetry = PostgresSource("telemetry_db", urls["telemetry_db"], "BIONICPRO_TELEMETRY_DB_URL")
        apply_postgres_schema(telemetry, "telemetry")
        with transaction(telemetry) as cursor:
            run_scripts(cursor, "telemetry/demo")
            cursor.execute("SELECT demo.generate_hourly_stats(1, 30, %s, %s)", (since, now))
            cursor.execute(
                "UPDATE telemetry.hourly_stats SET successful_movements = movements_count + 1 WHERE id % 997 = 0 AND movements_count > 0"
            )
        settings = embedded_settings(folder, urls) | {
            "BIONICPRO_EMBEDDED_POSTGRES": "false",
            "BIONICPRO_ROLLUP": "external",
            "BIONICPRO_REPORT_TIMEZONE": "Europe/Moscow",
            "BIONICPRO_PARTITIONS_START": f"{since:%Y-%m-%dT%H:%M}",
        }
        (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
        hole = since + NOT_LOADED.start * HOUR, since + NOT_LOADED.stop * HOUR
        with ClickHouse(settings["BIONICPRO_CLICKHOUSE_URL"]) as clickhouse:
            apply_clickhouse_schema(clickhouse)
            for first, last in ((since, hole[0] - HOUR), (hole[1], now - HOUR)):
                load(crm, telemetry, clickhouse, hour_range(first, last))
        most = (
            "SELECT user_id FROM reports.user_daily_stats GROUP BY user_id HAVING uniqExact(prosthesis_id) = 1 "
            "ORDER BY sum(error_count) DESC, user_id LIMIT 1"
        )
        users = [row["user_id"] for row in ask(folder, most)]
        for lang in ("en", "ru"):
            bionicpro(folder, "report", "--user", users[0], "--lang", lang, "--out", f"patient-{lang}.html")
            period = ("--from", f"{since.date()}")
            bionicpro(folder, "report", "--fleet", *period, "--lang", lang, "--out", f"fleet-{lang}.html")
        yield Pages(folder, users)


def load(crm: PostgresSource, telemetry: PostgresSource, clickhouse: ClickHouse, hours: list[datetime]) -> None:
    """What a run does, without Dagster's record of it: of four weeks, that takes minutes."""
    publish_window(crm, telemetry, clickhouse, hours, zone="Europe/Moscow", run_id="pages", batch_size=100_000)


@pytest.fixture(params=list(WIDTHS))
def window(browser: Browser, request) -> Iterator[tuple[str, Page]]:
    """A window of a width, cut off from the network; nothing may fail in it, and nothing be fetched."""
    context = browser.new_context(viewport={"width": WIDTHS[request.param], "height": 1400}, offline=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    yield request.param, page
    context.close()
    assert wrong == []


def fits(page: Page) -> bool:
    """Whether nothing has to be moved sideways to be read."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("code", ["en", "ru"])
@pytest.mark.parametrize("about", ["patient", "fleet"])
def test_every_chart_is_there_and_can_be_read(pages: Pages, window, about: str, code: str):
    (name, page), lang = window, language(code)
    pages.open(page, f"{about}-{code}")
    assert page.locator("html").get_attribute("lang") == code
    expect(page.get_by_role("heading", level=1)).to_have_text(
        lang("page.user_title" if about == "patient" else "page.fleet_title")
    )
    charts = page.get_by_role("img")
    # One of the two of each chart; the other is for other widths, and neither seen nor read aloud.
    expect(charts).to_have_count(CHARTS[about])
    for chart in charts.all():
        box, section = chart.bounding_box(), chart.locator("xpath=ancestor::section").bounding_box()
        assert box is not None
        assert section is not None
        assert 0.85 * section["width"] < box["width"] < section["width"]
        assert box["height"] > 150
        # The heights of its letters, as they are on the screen.
        sizes = chart.evaluate(
            "c => [...c.querySelectorAll('text')].map(t => parseFloat(getComputedStyle(t).fontSize) * c.getBoundingClientRect().width / c.viewBox.baseVal.width)"
        )
        assert min(sizes) > 10
        texts = chart.evaluate(
            "c => [...c.querySelectorAll('text')].map(t => t.getBoundingClientRect()).map(r => [r.left, r.right])"
        )
        assert min(left for left, _ in texts) >= box["x"] - 1
        assert max(right for _, right in texts) <= box["x"] + box["width"] + 1
    assert page.get_by_role("img", name=lang("section.movements.help")).count() == 1
    assert fits(page)
    shot(page, f"{about}-{name}-{code}")
    for details in page.locator("details").all():
        details.locator("summary").click()
    # Those of the charts, that of the prostheses, and a patient's two periods.
    expect(page.get_by_role("table")).to_have_count(CHARTS[about] + 1 + (about == "patient"))
    assert fits(page), "with every table open"
    expect(page.get_by_text(lang("page.incomplete")).first).to_be_visible()


def test_it_can_be_gone_through_by_its_headings_and_by_keyboard(pages: Pages, window):
    _, page = window
    pages.open(page, "patient-en")
    levels = [int(h.evaluate("h => h.tagName[1]")) for h in page.get_by_role("heading").all()]
    assert levels == [1, 2, 3] + [2] * (len(levels) - 3)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the report")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("region", name="This period and the one before")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("summary").first).to_be_focused()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    bar = page.get_by_role("img", name="Each bar is a day").locator("title").nth(1)
    assert re.search(r"^\d+ \w+ 20\d\d\. Succeeded: [\d,]+$", bar.text_content() or "")


@pytest.mark.parametrize("about", ["patient", "fleet"])
def test_it_can_be_printed(pages: Pages, browser: Browser, about: str, tmp_path: Path):
    page = browser.new_page(viewport={"width": 690, "height": 1000})
    pages.open(page, f"{about}-en")
    page.emulate_media(media="print")
    expect(page.get_by_role("img")).to_have_count(CHARTS[about])
    assert fits(page)
    if about == "patient":
        # A sheet of A4 has 269 mm between its margins, at 96 dots an inch; the charts begin on the next.
        height = page.evaluate("document.querySelector('.quality').getBoundingClientRect().bottom + scrollY")
        assert height < 269 / 25.4 * 96
        assert page.locator(".behind").evaluate("e => getComputedStyle(e).breakBefore") == "page"
    for hidden in ("details summary", ".narrow svg"):
        assert not page.locator(hidden).first.is_visible()
    shot(page, f"{about}-print-en")
    file = tmp_path / "page.pdf"
    page.pdf(path=file, prefer_css_page_size=True)
    sheets = len(re.findall(rb"/Type\s*/Page\b", file.read_bytes()))
    assert 2 <= sheets <= 7
    page.close()


def test_the_fleets_page_names_nobody_and_the_patients_page_one(pages: Pages, window):
    _, page = window
    people = ask(pages.folder, "SELECT user_id, customer_name FROM reports.v_user_summary")
    assert len(people) > 10
    pages.open(page, "fleet-en")
    text = page.inner_text("body")
    assert [p for p in people if p["user_id"] in text or p["customer_name"] in text] == []
    pages.open(page, "patient-en")
    text = page.inner_text("body")
    assert [p["user_id"] for p in people if p["user_id"] in text] == pages.users
    assert "Never loaded: 6 hours of" in text
    assert "values that cannot be" in text or "No telemetry was set aside" in text
