"""What an operator does by hand: the jobs with a form in the launchpad, and a run that failed."""

import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bionicpro_assets_tests.e2e.browser.conftest import Ui, shot
from bionicpro_assets_tests.e2e.browser.test_ui import MART

pytestmark = pytest.mark.browser

SECONDS = 180  # the daemon looks at forms every 10 seconds; a run waits for the one that has the embedded engine
LAST = "{ runsOrError(filter: {%s}, limit: 1) { ... on Runs { results { runId status tags { key value } } } } }"
EXPLAINED = {
    "bionicpro_load_period": ("as far back as the schedule loads", "the hour that is open now"),
    "bionicpro_check_period": ("as far back as the schedule loads", "the hour that is open now"),
    "bionicpro_correct_wearers": ("First hour in UTC", "all chips that the CRM names now"),
}


@dataclass(frozen=True)
class Form:
    """A job's form in the launchpad."""

    ui: Ui
    page: Page
    job: str

    def open(self) -> None:
        self.page.goto(f"{self.ui.url}/locations/bionicpro_assets/jobs/{self.job}")
        self.page.get_by_role("tab", name="Launchpad").click()
        expect(self.page.get_by_text("first_hour").first).to_be_visible()

    def fill_in(self, form: str) -> None:
        self.page.locator(".CodeMirror").first.evaluate("(editor, form) => editor.CodeMirror.setValue(form)", form)

    def launch(self) -> dict[str, Any]:
        """The run that it starts, when it has ended."""
        before = self.last()
        launch = self.page.get_by_role("button", name="Launch Run")
        expect(launch).to_be_enabled()
        launch.click()
        return self.ended(f'pipelineName: "{self.job}"', before)

    def last(self) -> str:
        found = self.ui.graphql(LAST % f'pipelineName: "{self.job}"')["runsOrError"]["results"]
        return found[0]["runId"] if found else ""

    def asked_for(self) -> dict[str, Any]:
        """The run that the daemon starts for the form's, when it has ended."""
        return self.ended(f'tags: [{{key: "dagster/run_key", value: "{self.last()}/0"}}]')

    def ended(self, which: str, other_than: str = "") -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for run in self.ui.graphql(LAST % which)["runsOrError"]["results"]:
                if run["runId"] != other_than and run["status"] in ("SUCCESS", "FAILURE"):
                    return dict(run)
            time.sleep(1)
        pytest.fail(f"no run {which} ended within {SECONDS} s")


@pytest.fixture
def closed(ui: Ui) -> list[str]:
    """The hours of the demo that were over when it was made, as the form wants them."""
    return [re.sub("-(?=[^-]*$)", "T", key) for key in ui.closed]


@pytest.mark.parametrize("job", EXPLAINED)
def test_a_form_explains_itself(ui: Ui, page: Page, job: str):
    form = Form(ui, page, job)
    form.open()
    for words in EXPLAINED[job]:
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("button", name="Launch Run")).to_be_enabled()
    shot(page, f"form-{job.removeprefix('bionicpro_')}")


def test_a_form_with_a_field_that_there_is_not_cannot_be_launched(ui: Ui, page: Page):
    form = Form(ui, page, "bionicpro_load_period")
    form.open()
    form.fill_in("first_our: 2026-11-24T08:00\n")
    expect(page.get_by_text(re.compile('unexpected config entry.*"first_our"', re.IGNORECASE)).first).to_be_visible()
    expect(page.get_by_role("button", name="Launch Run")).to_be_disabled()


@pytest.mark.parametrize(
    ("job", "wrong", "said"),
    [
        (
            "bionicpro_load_period",
            "first_hour: yesterday",
            "'yesterday' is not an hour; write it like 2026-11-24T08:00",
        ),
        ("bionicpro_correct_wearers", "{first_hour: '', last_hour: ''}", "name the first and the last of them"),
    ],
)
def test_a_wrong_value_is_refused_in_words_on_the_runs_page(ui: Ui, page: Page, job: str, wrong: str, said: str):
    form = Form(ui, page, job)
    form.open()
    form.fill_in(wrong)
    run = form.launch()
    assert run["status"] == "FAILURE"
    page.goto(f"{ui.url}/runs/{run['runId']}")
    failure = page.get_by_text("RUN_FAILURE", exact=True).first
    failure.scroll_into_view_if_needed()
    expect(page.get_by_text(re.compile(re.escape(said))).last).to_be_visible()
    # The stack trace beneath it names folders of whoever runs this.
    row = failure.bounding_box()
    assert row
    shot(
        page,
        f"failed-run-{job.removeprefix('bionicpro_')}",
        {"x": 240, "y": row["y"] - 10, "width": 1360, "height": 44},
    )


@pytest.mark.parametrize(
    ("job", "more", "follows"),
    [
        ("bionicpro_load_period", "", "bionicpro_reports_etl"),
        ("bionicpro_check_period", "", "bionicpro_checks"),
        # Of a chip that has had one wearer: who it is now is who it was.
        ("bionicpro_correct_wearers", "chips: [CHIP-000003]\n", "bionicpro_reports_etl"),
    ],
)
def test_what_a_form_asks_for_is_done(ui: Ui, page: Page, closed: list[str], job: str, more: str, follows: str):
    form = Form(ui, page, job)
    form.open()
    form.fill_in(f"first_hour: {closed[0]}\nlast_hour: {closed[-1]}\n{more}")
    assert form.launch()["status"] == "SUCCESS"
    run = form.asked_for()
    assert run["status"] == "SUCCESS"
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["dagster/asset_partition_range_start"] == closed[0].replace("T", "-")
    assert tags["dagster/asset_partition_range_end"] == closed[-1].replace("T", "-")
    page.goto(f"{ui.url}/runs/{run['runId']}")
    expect(page.get_by_text(follows).first).to_be_visible()
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()


def test_numbers_are_plotted_over_the_hours(ui: Ui, page: Page):
    page.set_viewport_size({"width": 1600, "height": 4600})
    page.goto(f"{ui.url}/assets/{MART}?view=overview")
    page.get_by_role("button", name="Plots").click()
    for name in ("partition_row_count", "unmatched_percent_of_hour", "lag_minutes", "seconds", "rows_per_second"):
        expect(page.get_by_text(re.compile(f"(^|/){name}$")).first).to_be_visible()
    expect(page.locator("canvas").nth(4)).to_be_visible()
    page.wait_for_timeout(2000)  # they are drawn growing, and push each other down
    top = page.get_by_role("button", name="Plots").bounding_box()
    bottom = page.get_by_text("unmatched_percent_of_hour", exact=True).bounding_box()
    assert top
    assert bottom
    shot(page, "plots", {"x": 250, "y": top["y"] - 70, "width": 930, "height": bottom["y"] + 300 - top["y"]})
