"""What an analyst and an operator find in the web UI."""

import re
import time
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from bionicpro_assets_tests.e2e.browser.conftest import HOURS, Ui, shot

pytestmark = pytest.mark.browser

MART = "reports/user_prosthesis_stats"
# From left to right in the lineage graph.
CHAINS = [
    *([source, "crm_customer_prosthesis"] for source in ("customers", "prostheses", "prosthesis_models")),
    ["raw_telemetry", "hourly_stats", "hourly_telemetry", "user_prosthesis_stats"],
    ["crm_customer_prosthesis", "user_prosthesis_stats"],
    ["user_prosthesis_stats", "user_daily_stats", "fleet_report"],
]
RESOURCES = ["bionicpro_crm_db", "bionicpro_telemetry_db", "bionicpro_clickhouse"]
MATERIALISED = """{ assetNodeOrError(assetKey: {path: ["reports", "user_prosthesis_stats"]}) { ... on AssetNode {
    assetMaterializations(limit: 500) { partition runId metadataEntries { label ... on IntMetadataEntry { intValue } } }
} } }"""


def materialised(ui: Ui) -> dict[str, dict[str, dict[str, int]]]:
    """The mart's numbers by run, hour and name, newest run first."""
    runs: dict[str, dict[str, dict[str, int]]] = {}
    for event in ui.graphql(MATERIALISED)["assetNodeOrError"]["assetMaterializations"]:
        numbers = {entry["label"]: entry["intValue"] for entry in event["metadataEntries"] if "intValue" in entry}
        runs.setdefault(event["runId"], {})[event["partition"]] = numbers
    return runs


def rows(hours: dict[str, dict[str, int]]) -> dict[str, int]:
    return {hour: numbers["dagster/partition_row_count"] for hour, numbers in hours.items()}


def test_lineage_leads_from_the_sources_to_the_mart(ui: Ui, page: Page):
    page.goto(f"{ui.url}/asset-groups")
    graph = page.locator("svg foreignObject")
    for group in ("crm", "telemetry", "reports"):
        expect(graph.get_by_text(group, exact=True)).to_be_visible()
    page.keyboard.press("Alt+E")  # "Expand all groups"
    nodes = {}
    for name in {name for chain in CHAINS for name in chain}:
        # The graph cuts long names in the middle.
        node = graph.filter(has_text=re.compile(f"^({name}|{name[:6]}.*{name[-4:]})$"))
        expect(node).to_be_visible()
        nodes[name] = node
    assert len(nodes) == 10
    spans = {
        name: node.evaluate("e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]")
        for name, node in nodes.items()
    }
    for chain in CHAINS:
        for before, after in pairwise(chain):
            assert spans[before][1] <= spans[after][0], (before, after)
    shot(page, "lineage")


def test_the_mart_explains_itself(ui: Ui, page: Page):
    page.goto(f"{ui.url}/assets/{MART}?view=overview")
    expect(page.get_by_text("What every prosthesis did in every hour, with the patient who wore it")).to_be_visible()
    for name, kind, comment in (
        ("avg_response_time", "Float32", "Mean time from signal to movement, ms"),
        ("success_rate", "Float32", "Successful movements, percent"),
        ("movements_count", "UInt32", "Movements in the hour"),
    ):
        column = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True)).filter(has_text=kind)
        expect(column).to_contain_text(comment)
    for text in ("ClickHouse", "Polars", "Every 15 minutes"):  # kinds and schedule
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    expect(page.get_by_text("Row count", exact=True)).to_be_visible()
    assert re.search(r"Row count\s+\d+\n", page.inner_text("body"))
    shot(page, "mart")


def test_the_mart_lists_the_columns_one_can_select(ui: Ui, page: Page):
    page.goto(f"{ui.url}/assets/{MART}?view=overview")
    expect(page.get_by_role("row").filter(has_text="source_updated_at").first).to_be_visible()
    table = page.get_by_role("table").filter(has_text="Column name")
    listed = [row.get_by_role("cell").first.inner_text().strip() for row in table.get_by_role("row").all()]
    assert [name for name in listed if re.fullmatch("[a-z_]+", name)] == ui.columns


@pytest.mark.parametrize("asset", [MART, "staging/crm_customer_prosthesis"])
@pytest.mark.parametrize("view", ["overview", "partitions"])
def test_a_load_is_told_without_naming_anybody(ui: Ui, page: Page, asset: str, view: str):
    newest = next(iter(materialised(ui).values()))
    page.goto(f"{ui.url}/assets/{asset}?view={view}&partition={max(newest)}")
    for label in ["preview", "hours", "source_read_at", *(["rejected_rows"] if asset == MART else [])]:
        expect(page.get_by_role("row").filter(has=page.get_by_text(label, exact=True)).first).to_be_visible()
    # At night, the last hours may be nobody's; the CRM has a row for everybody at any time.
    if asset != MART or any(rows(newest).values()):
        a_chip = page.get_by_text(re.compile(r"^CHIP-\d{6}$")).first  # in a row of the preview
        expect(a_chip).to_be_visible()
        a_chip.scroll_into_view_if_needed()
    html, people = page.content(), ui.personal
    assert len(people) > 3 * 10
    assert [value for value in people if value in html] == []
    assert "@example." not in html


@pytest.mark.parametrize(
    ("schedule", "when"),
    [("bionicpro_reports_etl_every_15_minutes", "Every 15 minutes"), ("bionicpro_sweep_every_hour", "past the hour")],
)
def test_the_schedules_are_on(ui: Ui, page: Page, schedule: str, when: str):
    page.goto(f"{ui.url}/automation")
    page.get_by_role("link", name=schedule).first.click()
    expect(page.get_by_role("row", name="Schedule", exact=False).filter(has_text=when)).to_be_visible()
    expect(page.get_by_role("row", name="Running").get_by_role("checkbox")).to_be_checked()


def test_resources_are_named_and_show_no_address(ui: Ui, page: Page):
    page.goto(f"{ui.url}/locations/bionicpro_assets/resources")
    for name in RESOURCES:
        expect(page.get_by_role("link", name=name)).to_be_visible()
    assert "postgresql://" not in page.content()
    shot(page, "resources")
    settings = dict(line.split("=", 1) for line in (ui.folder / ".env").read_text().splitlines() if "_URL=" in line)
    assert len(settings) == len(RESOURCES)
    for name in RESOURCES:
        page.goto(f"{ui.url}/locations/bionicpro_assets/resources/{name}")
        setting = f"{name.upper()}_URL"
        expect(page.get_by_text(f'"{setting}"')).to_be_visible()
        text = page.inner_text("body")
        assert not any(value.strip("'") in text for value in settings.values())
        # The description of the setting says which kind of URL it is: a scheme and nothing after it.
        assert re.search(r"\b(postgresql|clickhouse\w*|chdb|https?)://\S", text) is None


def test_a_range_of_hours_is_materialised_and_ends_green(ui: Ui, page: Page):
    before = {hour: n for hours in reversed(list(materialised(ui).values())) for hour, n in rows(hours).items()}
    hours = ui.closed
    page.goto(f"{ui.url}/locations/bionicpro_assets/jobs/bionicpro_reports_etl")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_role("textbox").first
    box.fill(f"[{hours[0]}...{hours[-1]}]")
    box.press("Enter")
    expect(dialog.get_by_text(f"{HOURS} partitions", exact=True)).to_be_visible()
    shot(page, "range")
    dialog.get_by_role("button", name="Launch backfill").click()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/b/*")
    progress = page.get_by_role("row").filter(has_text="bionicpro_reports_etl")
    # The daemon looks for new backfills every 30 seconds.
    expect(progress).to_contain_text("100% completed", timeout=120_000)
    expect(progress.get_by_role("cell")).to_have_text([re.compile("."), str(HOURS), "0", str(HOURS), "0"])
    # The heading of a column, and what the backfill is when the daemon has seen that its runs have ended.
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(2, timeout=90_000)
    shot(page, "backfill")
    backfill = re.sub(r"\W.*", "", page.url.rpartition("/")[2])
    (run,) = ui.graphql(
        f'{{ partitionBackfillOrError(backfillId: "{backfill}") {{ ... on PartitionBackfill {{ runs(limit: 10) {{ id status }} }} }} }}'
    )["partitionBackfillOrError"]["runs"]
    assert run["status"] == "SUCCESS"
    # Closed hours hold what they held; the fixture asks the mart itself once the UI has stopped.
    after = materialised(ui)[run["id"]]
    assert rows(after) == {hour: before[hour] for hour in hours}
    assert {numbers["unchanged_hours"] for numbers in after.values()} == {HOURS}
    page.goto(f"{ui.url}/runs/{run['id']}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()


def test_the_checks_of_the_mart_are_claims_that_hold(ui: Ui, page: Page):
    page.goto(f"{ui.url}/assets/{MART}?view=checks")
    for name in ("nothing_lost_nothing_doubled", "right_wearer", "numbers_as_measured", "mart_is_fresh"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_text("right_wearer", exact=True).first.click()
    claim = "Every row has the wearer whom the CRM extract has for the hour."
    expect(page.get_by_text(claim).first).to_be_visible()
    expect(page.get_by_text(re.compile("passed|success", re.IGNORECASE)).first).to_be_visible()
    assert [value for value in ui.personal if value in page.content()] == []
    shot(page, "checks")


def test_a_failed_check_says_what_and_when_and_names_nobody(ui: Ui, page: Page):
    page.goto(f"{ui.url}/assets/quarantine/rejected_telemetry?view=checks&checkDetail=every_chip_known")
    expect(page.get_by_text("Nearly all telemetry has a wearer").first).to_be_visible()
    expect(page.get_by_text(re.compile("chip .*: the CRM doesn't know the chip")).first).to_be_visible()
    assert [value for value in ui.personal if value in page.content()] == []
    shot(page, "failed-check")


def test_the_quarantine_shows_what_is_set_aside_and_why(ui: Ui, page: Page):
    page.goto(f"{ui.url}/assets/quarantine/rejected_telemetry?view=partitions&partition={ui.busiest}")
    expect(page.get_by_text("the CRM doesn't know the chip").first).to_be_visible()
    page.get_by_text("the CRM doesn't know the chip").first.scroll_into_view_if_needed()
    shot(page, "quarantine")


DAILY = "reports/user_daily_stats"
TOLD = """{ assetNodeOrError(assetKey: {path: ["reports", "user_daily_stats"]}) { ... on AssetNode {
    assetMaterializations(limit: 1) { partition metadataEntries { label ... on IntMetadataEntry { intValue } } }
} } }"""


def test_a_day_is_counted_and_drawn(ui: Ui, page: Page):
    """Materialised by hand, as somebody does who doesn't want to wait for the morning."""
    day = ui.busiest[:10]
    page.goto(f"{ui.url}/assets/{DAILY}?view=overview")
    expect(page.get_by_text("What every prosthesis did on every day").first).to_be_visible()
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_role("textbox").first
    box.fill(day)
    box.press("Enter")
    dialog.get_by_role("button", name=re.compile("Launch")).last.click()
    deadline = time.monotonic() + 120
    while not (events := ui.graphql(TOLD)["assetNodeOrError"]["assetMaterializations"]):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert events[0]["partition"] == day
    numbers = {e["label"]: e["intValue"] for e in events[0]["metadataEntries"] if "intValue" in e}
    assert numbers["movements"] > 0
    page.goto(f"{ui.url}/assets/{DAILY}?view=partitions&partition={day}")
    expect(page.get_by_role("row").filter(has=page.get_by_text("movements", exact=True)).first).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_text("picture", exact=True)).first
    row.get_by_text("Show Markdown").click()
    picture = page.get_by_role("dialog").get_by_role("img", name="movements, response time and errors by hour")
    expect(picture).to_be_visible()
    assert picture.evaluate("i => i.naturalWidth") == 720
    assert [value for value in ui.personal if value in page.content()] == []
    shot(page, "day")
