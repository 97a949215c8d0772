"""The day: what every prosthesis did on it, a picture of it, and the fleet's page that is there every morning."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from bionicpro_assets.days import DAY, day_key
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.days import Daily, days_before_and_after, days_of, days_of_run
from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.metadata import column_lineage, table_schema
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.defs.verdicts import SEVERITIES, key_of, spec
from bionicpro_assets.late.days_due import DAYS_OF_A_PAGE
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.columns import Column
from bionicpro_assets.quality.daily import daily_claims, evaluate_days
from bionicpro_assets.quality.verdict import DayVerdict
from bionicpro_assets.report.facts import DayFacts, Facts, find_facts
from bionicpro_assets.report.files import drop_old_pages, write_fleet_page
from bionicpro_assets.report.language import LANGUAGES
from bionicpro_assets.report.page import render
from bionicpro_assets.report.period import Period
from bionicpro_assets.report.picture import day_picture
from bionicpro_assets.settings import Settings

DAILY_DESCRIPTION = """What every prosthesis did on every day: one row per user, prosthesis and day.

Hours in use, movements and how many succeeded, response time, battery, temperature, errors, warnings and connection,
with averages weighted as each measure wants it; every column says how. Days are those of the report time zone.
`reports.v_user_report` and `reports.v_user_summary` are made of it.

It is a view that is computed from the mart's hours whenever it is read, so it is never stale: an hour that is loaded
again is in it at once. Materialising a day changes no row: it counts the day, draws its picture, and checks it."""
PAGE_DESCRIPTION = """The fleet's page of every day: one HTML file with the last seven days, for the operations lead.

It is in the folder BIONICPRO_PAGES, and `fleet-latest-en.html` beside it is the newest. It names no patients. For any
other period: `bionicpro report --fleet --from … --to …`; for one patient: `bionicpro report --user …`."""
FROM_THE_MART = {
    **{c: [c] for c in ("user_id", "prosthesis_id", "report_date", "customer_name", "prosthesis_model")},
    **{c: [c] for c in ("prosthesis_category", "prosthesis_serial", "movements_count", "successful_movements")},
    **{c: [c] for c in ("error_count", "warning_count", "max_actuator_temp", "etl_processed_at")},
    "hours_active": ["report_hour"],
    "success_rate": ["successful_movements", "movements_count"],
    "avg_response_time": ["avg_response_time", "movements_count", "max_response_time"],
    "timed_movements": ["movements_count", "max_response_time"],
    "min_battery_level": ["min_battery_level", "max_battery_level"],
    "avg_battery_level": ["avg_battery_level", "max_battery_level"],
    "battery_hours": ["max_battery_level"],
    "avg_connection_quality": ["avg_connection_quality"],
    "connection_hours": ["avg_connection_quality"],
}


def daily_assets(daily: Daily, settings: Settings) -> list[dg.AssetsDefinition]:
    """The day, and the fleet's page of it."""
    zone = settings.report_timezone
    lineage = {column: [(keys.MART, source) for source in sources] for column, sources in FROM_THE_MART.items()}

    @daily.asset(
        key=keys.USER_DAILY,
        deps=[dg.AssetDep(keys.MART, partition_mapping=daily.mapping)],
        description=DAILY_DESCRIPTION,
        kinds={"clickhouse", "view"},
        metadata={
            "dagster/table_name": keys.table_name(keys.USER_DAILY),
            "report_timezone": zone,
            **column_lineage(lineage),
        },
    )
    def user_daily_stats(
        context: dg.AssetExecutionContext, bionicpro_clickhouse: ClickHouseResource
    ) -> dg.MaterializeResult[None]:
        rows = 0
        with clear_failure():
            clickhouse = bionicpro_clickhouse.clickhouse
            for day in days_of(context, zone):
                told = _told(_facts(clickhouse, day, day, settings))
                rows += told["dagster/partition_row_count"]
                context.add_asset_metadata(told, partition_key=day_key(day))
            schema = table_schema(_columns(clickhouse))
        return dg.MaterializeResult(metadata={"rows": rows, "dagster/column_schema": schema, **column_lineage(lineage)})

    @daily.asset(
        key=keys.FLEET_REPORT,
        deps=[
            dg.AssetDep(keys.USER_DAILY, partition_mapping=days_before_and_after(DAYS_OF_A_PAGE - 1)),
        ],
        description=PAGE_DESCRIPTION,
        kinds={"html"},
    )
    def fleet_report(
        context: dg.AssetExecutionContext, bionicpro_clickhouse: ClickHouseResource
    ) -> dg.MaterializeResult[None]:
        with clear_failure():
            for day in days_of(context, zone):
                facts = _facts(bionicpro_clickhouse.clickhouse, day - (DAYS_OF_A_PAGE - 1) * DAY, day, settings)
                if day in facts.days:
                    context.add_asset_metadata(_page(facts, settings), partition_key=day_key(day))
                else:
                    context.log.warning(f"No page of {day}: there is no telemetry of that day.")
            today = datetime.now(UTC).astimezone(ZoneInfo(zone)).date()
            if dropped := drop_old_pages(settings.pages_folder, today, settings.pages_days):
                context.log.info(f"{dropped} pages of days more than {settings.pages_days} days ago are deleted.")
        return dg.MaterializeResult()

    return [user_daily_stats, fleet_report]


def daily_checks(daily: Daily, settings: Settings) -> dg.AssetChecksDefinition:
    """The claims on the days of a run, evaluated in one step."""

    @dg.multi_asset_check(
        name="check_days",
        specs=[spec(claim) for claim in daily_claims()],
        required_resource_keys={keys.CLICKHOUSE},
        can_subset=True,
        retry_policy=daily.retry_policy,
    )
    def check_days(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        resource: ClickHouseResource = getattr(context.op_execution_context.resources, keys.CLICKHOUSE)
        zone = settings.report_timezone
        with clear_failure():
            days = days_of_run(context.run.tags, zone)
            verdicts = evaluate_days(
                resource.clickhouse, days, zone=zone, start=settings.partitions_start, now=datetime.now(UTC)
            )
        asked = {key.name for key in context.op_execution_context.selected_asset_check_keys}
        for verdict in (v for v in verdicts if v.claim.name in asked):
            for day in days:
                # Takes an evaluation, though its annotation doesn't say so yet; a test holds that.
                context.op_execution_context.log_event(_evaluation(verdict, day))  # type: ignore[arg-type]
            yield dg.AssetCheckResult(
                passed=verdict.passed,
                asset_key=key_of(verdict.claim),
                check_name=verdict.claim.name,
                severity=SEVERITIES[verdict.claim.severity],
                description=None if verdict.passed else str(verdict),
                metadata=_counts(verdict),
            )

    return check_days


def _evaluation(verdict: DayVerdict, day: date) -> dg.AssetCheckEvaluation:
    of_day = verdict.only(day)
    return dg.AssetCheckEvaluation(
        asset_key=key_of(verdict.claim),
        check_name=verdict.claim.name,
        passed=of_day.passed,
        severity=SEVERITIES[verdict.claim.severity],
        description=None if of_day.passed else str(of_day),
        metadata={label: dg.MetadataValue.int(count) for label, count in _counts(of_day).items()},
        partition=day_key(day),
    )


def _counts(verdict: DayVerdict) -> dict[str, int]:
    found = verdict.found.values()
    return {"checked": sum(f.checked for f in found), "failed": sum(f.failed for f in found)}


def _facts(clickhouse: ClickHouse, first: date, last: date, settings: Settings) -> Facts:
    period = Period(first, last, settings.report_timezone)
    return find_facts(clickhouse, period, start=settings.partitions_start, now=datetime.now(UTC))


def _columns(clickhouse: ClickHouse) -> list[Column]:
    database, table = keys.USER_DAILY.path
    columns = clickhouse.schema_of(database, table).columns
    return [Column(name, kind, comment, kind, kind.startswith("Nullable")) for name, kind, comment in columns]


def _told(facts: Facts) -> dict[str, Any]:
    """What is told of a day: numbers that plot over the partitions, and its picture. Nobody's name."""
    (day,) = facts.period.days
    found, quality = facts.days.get(day, DayFacts()), facts.quality
    measures = found.measures
    numbers = {
        "dagster/partition_row_count": found.rows,
        "users": found.users,
        "prostheses": found.prostheses,
        "low_battery_prostheses": found.low_battery,
        "prosthesis_hours": measures.hours,
        "movements": measures.movements,
        "success_rate_percent": _rounded(measures.success_rate),
        "response_time_ms": _rounded(measures.response_time),
        "battery_percent": _rounded(measures.battery),
        "connection_percent": _rounded(measures.connection),
        "errors": measures.errors,
        "warnings": measures.warnings,
        "missing_hours": len(quality.missing),
        "unfinished_hours": len(quality.unfinished),
        "rejected_rows": sum(quality.rejected.values()),
        "assumed_rows": quality.assumed,
    }
    told: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    if found.rows:
        title = f"{day}, {found.prostheses} prostheses, hours of {facts.period.zone}"
        told["picture"] = dg.MetadataValue.md(day_picture(facts.by_hour, title))
    return told


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _page(facts: Facts, settings: Settings) -> dict[str, Any]:
    """Write the page in every language; where it is."""
    told: dict[str, Any] = {}
    for code in LANGUAGES:
        page, served = render(facts, code), settings.pages is not None
        path = write_fleet_page(settings.pages_folder, facts.period.last, page, code, served=served)
        told[f"page_{code}"] = dg.MetadataValue.path(path)
        if settings.pages_url:
            told[f"link_{code}"] = dg.MetadataValue.url(f"{settings.pages_url.rstrip('/')}/{path.name}")
    return told
