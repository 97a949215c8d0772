"""What an analyst and an operator find in the web UI."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from bionicpro_assets_tests.e2e.browser.conftest import Ui

pytestmark = pytest.mark.browser

ASSETS = [
    "customers",
    "prostheses",
    "prosthesis_models",
    "raw_telemetry",
    "hourly_stats",
    "crm_customer_prosthesis",
    "hourly_telemetry",
    "user_prosthesis_stats",
]
MART = "assets/reports/user_prosthesis_stats"
MATERIALISED = """
{ assetNodeOrError(assetKey: {path: ["reports", "user_prosthesis_stats"]}) { ... on AssetNode {
    assetMaterializations(limit: 50) { partition runId metadataEntries { label ... on IntMetadataEntry { intValue } } }
} } }
"""


def counts_by_run(ui: Ui) -> dict[str, dict[str, int]]:
    """Rows per partition of the mart, by run."""
    runs: dict[str, dict[str, int]] = {}
    for event in ui.graphql(MATERIALISED)["assetNodeOrError"]["assetMaterializations"]:
        rows = {e["label"]: e.get("intValue") for e in event["metadataEntries"]}
        runs.setdefault(event["runId"], {})[event["partition"]] = rows["dagster/partition_row_count"]
    return runs


def test_lineage_leads_from_the_sources_to_the_mart(ui: Ui, page: Page):
    groups = ",".join(f"global@global:{group}" for group in ("crm", "telemetry", "reports"))
    page.goto(f"{ui.url}/asset-groups/?expanded={groups}")
    graph = page.locator("svg foreignObject")
    for name in ASSETS:
        # Long names are cut in the middle.
        expect(graph.get_by_text(re.compile(f"^{name[:4]}.*{name[-4:]}$")).first).to_be_visible()


def test_the_mart_explains_itself(ui: Ui, page: Page):
    page.goto(f"{ui.url}/{MART}?view=overview")
    expect(page.get_by_text("What every prosthesis did in every hour").first).to_be_visible()
    expect(page.get_by_text("Mean time from signal to movement, ms; 0 without a measurement").first).to_be_visible()
    expect(page.get_by_text("Float32").first).to_be_visible()
    expect(page.get_by_text("reports.user_prosthesis_stats").first).to_be_visible()


def test_an_hour_tells_what_was_loaded_and_nobodys_name(ui: Ui, page: Page):
    page.goto(f"{ui.url}/{MART}?view=partitions")
    hour = max(max(run) for run in counts_by_run(ui).values())
    page.goto(f"{ui.url}/{MART}?view=partitions&partition={hour}")
    for label in ("unmatched_rows", "source_read_at", "preview", "unchanged_hours"):
        expect(page.get_by_text(label).first).to_be_visible()
    text = page.inner_text("body")
    assert len(ui.personal) > 20
    for personal in ui.personal:
        assert personal not in text


def test_a_range_of_hours_is_materialised_and_ends_green(ui: Ui, page: Page):
    before = counts_by_run(ui)
    page.goto(f"{ui.url}/locations/bionicpro_assets/jobs/bionicpro_reports_etl")
    page.get_by_text("Materialize all").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile("partition", re.IGNORECASE)).first).to_be_visible()
    hours = sorted({hour for run in before.values() for hour in run})[:3]
    box = dialog.get_by_role("textbox").first
    box.fill(f"[{hours[0]}...{hours[-1]}]")
    box.press("Enter")
    dialog.get_by_role("button", name=re.compile("^Launch", re.IGNORECASE)).last.click()
    deadline = time.monotonic() + 150
    # By its hours: the schedule may tick meanwhile, and runs over others.
    while not (new := [r for r, counts in counts_by_run(ui).items() if r not in before and set(counts) == set(hours)]):
        assert time.monotonic() < deadline, "no hour was materialised"
        page.wait_for_timeout(1000)
    page.goto(f"{ui.url}/runs/{new[0]}")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=60_000)
    after = counts_by_run(ui)[new[0]]
    loaded = {hour: count for run in before.values() for hour, count in run.items()}
    assert after == {hour: loaded[hour] for hour in hours}, "closed hours hold what they held"


def test_the_schedules_are_on(ui: Ui, page: Page):
    page.goto(f"{ui.url}/automation")
    expect(page.get_by_text("bionicpro_reports_etl_every_15_minutes").first).to_be_visible()
    expect(page.get_by_text(re.compile("Every 15 minutes", re.IGNORECASE)).first).to_be_visible()
    schedules = ui.graphql(
        '{ schedulesOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: '
        '"bionicpro_assets"}) { ... on Schedules { results { name scheduleState { status } } } } }'
    )["schedulesOrError"]["results"]
    assert {s["name"]: s["scheduleState"]["status"] for s in schedules} == {
        "bionicpro_reports_etl_every_15_minutes": "RUNNING",
        "bionicpro_sweep_every_hour": "RUNNING",
    }


def test_resources_are_named_and_show_no_address(ui: Ui, page: Page):
    page.goto(f"{ui.url}/locations/bionicpro_assets/resources")
    for name in ("bionicpro_crm_db", "bionicpro_telemetry_db", "bionicpro_clickhouse"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_text("bionicpro_crm_db", exact=True).first.click()
    expect(page.get_by_text("BIONICPRO_CRM_DB_URL").first).to_be_visible()
    assert not re.search(r"postgresql://\S", page.inner_text("body"))
