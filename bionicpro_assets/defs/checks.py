"""Asset checks: the data-quality claims, evaluated after every load and whenever somebody asks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.resources import ClickHouseResource, PostgresResource
from bionicpro_assets.defs.verdicts import aside, evaluations, hours_to_tell, is_news, result, spec
from bionicpro_assets.hours import hour_range, parse_hour, refresh_window
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY, Claim, claims
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.quality.source_claims import (
    crm_contract,
    crm_dates,
    dates_verdict,
    raw_claims,
    raw_verdicts,
    telemetry_contract,
    view_verdict,
)
from bionicpro_assets.quality.stored import published_claim, published_verdict
from bionicpro_assets.quality.verdict import HourVerdict
from bionicpro_assets.runs import RANGE_END_TAG, RANGE_START_TAG
from bionicpro_assets.settings import Settings

PARTITION_TAG = "dagster/partition"

Context = dg.AssetCheckExecutionContext
Hours = Sequence[datetime]
VerdictsOf = Callable[[Context, ClickHouse, Hours], list[HourVerdict]]


def data_checks(settings: Settings, retry_policy: dg.RetryPolicy | None) -> list[dg.AssetChecksDefinition]:
    """The checks on the extracts, the quarantine and the mart; on the roll-up too, where this platform runs it."""

    def about(*tables: str) -> list[Claim]:
        return [claim for claim in claims(settings) if claim.table in tables]

    most = settings.chunk_rows
    crm, telemetry, reports = about(CRM), about(TELEMETRY), about(REJECTED, MART)

    def check_crm(context: Context, clickhouse: ClickHouse, hours: Hours) -> list[HourVerdict]:
        source = _source(context, keys.CRM_DB).source
        now = [view_verdict(crm_contract(), source, hours), dates_verdict(source, hours)]
        return [*now, *evaluate(clickhouse, crm, hours, most_rows=most)]

    def check_telemetry(context: Context, clickhouse: ClickHouse, hours: Hours) -> list[HourVerdict]:
        view = view_verdict(telemetry_contract(), _source(context, keys.TELEMETRY_DB).source, hours)
        return [view, *evaluate(clickhouse, telemetry, hours, most_rows=most)]

    def check_reports(_: Context, clickhouse: ClickHouse, hours: Hours) -> list[HourVerdict]:
        return [published_verdict(clickhouse, hours), *evaluate(clickhouse, reports, hours, most_rows=most)]

    def check_roll_up(context: Context, _: ClickHouse, hours: Hours) -> list[HourVerdict]:
        return raw_verdicts(_source(context, keys.TELEMETRY_DB).source, hours)

    steps: list[tuple[str, list[Claim], VerdictsOf, list[str]]] = [
        ("check_crm", [crm_contract(), crm_dates(), *crm], check_crm, [keys.CRM_DB]),
        ("check_telemetry", [telemetry_contract(), *telemetry], check_telemetry, [keys.TELEMETRY_DB]),
        ("check_reports", [published_claim(), *reports], check_reports, []),
    ]
    if settings.rollup == "platform":
        steps.append(("check_roll_up", raw_claims(), check_roll_up, [keys.TELEMETRY_DB]))
    return [_check(*step, settings, retry_policy) for step in steps]


def _check(
    name: str,
    about: Sequence[Claim],
    verdicts_of: VerdictsOf,
    sources: Sequence[str],
    settings: Settings,
    retry_policy: dg.RetryPolicy | None,
) -> dg.AssetChecksDefinition:
    """One step that evaluates all claims on an asset, on the hours of the run."""

    @dg.multi_asset_check(
        name=name,
        specs=[spec(claim) for claim in about],
        required_resource_keys={keys.CLICKHOUSE, *sources},
        can_subset=True,
        retry_policy=retry_policy,
        pool=keys.POOL,
    )
    def check(context: Context) -> Iterator[dg.AssetCheckResult]:
        hours = hours_of_run(context.run.tags, settings)
        resource: ClickHouseResource = getattr(context.op_execution_context.resources, keys.CLICKHOUSE)
        with clear_failure():
            verdicts = verdicts_of(context, resource.clickhouse, hours)
        asked = {key.name for key in context.op_execution_context.selected_asset_check_keys}
        verdicts = [verdict for verdict in verdicts if verdict.claim.name in asked]
        now = datetime.now(UTC)
        news = [verdict for verdict in verdicts if is_news(context.instance, verdict, hours, now)]
        yield from (aside(verdict.claim) for verdict in verdicts if verdict not in news)
        tell = hours_to_tell(context.instance, news, hours)
        for verdict in news:
            for evaluation in evaluations(verdict, tell.get(verdict.claim.name, [])):
                # Takes an evaluation, though its annotation doesn't say so yet; a test holds that.
                context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type]
            yield result(verdict)

    return check


def hours_of_run(tags: Mapping[str, str], settings: Settings) -> list[datetime]:
    """The hours that a run is about: of its range or its partition; those of a refresh now, if it names none."""
    if RANGE_START_TAG in tags and RANGE_END_TAG in tags:
        return hour_range(parse_hour(tags[RANGE_START_TAG]), parse_hour(tags[RANGE_END_TAG]))
    if PARTITION_TAG in tags:
        return [parse_hour(tags[PARTITION_TAG])]
    return refresh_window(datetime.now(UTC), lookback_hours=settings.lookback_hours, start=settings.partitions_start)


def _source(context: Context, key: str) -> PostgresResource:
    resource: PostgresResource = getattr(context.op_execution_context.resources, key)
    return resource
