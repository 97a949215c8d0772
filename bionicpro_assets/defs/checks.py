"""Asset checks: the data-quality claims, evaluated after every load and whenever somebody asks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.io_manager import ClickHouseIOManager
from bionicpro_assets.defs.resources import PostgresResource
from bionicpro_assets.defs.verdicts import aside, evaluations, hours_to_tell, is_news, result, spec, still_failing
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import hour_range, parse_hour, refresh_window
from bionicpro_assets.load.publish import Publication
from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY, Claim, claims
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.quality.source_claims import (
    VIEWS,
    ahead_verdict,
    crm_contract,
    crm_rows,
    crm_rows_verdicts,
    no_hour_ahead,
    raw_claims,
    raw_verdicts,
    telemetry_contract,
    view_verdict,
)
from bionicpro_assets.quality.stored import published_claim, published_verdict
from bionicpro_assets.quality.verdict import Found, HourVerdict, Verdict
from bionicpro_assets.runs import RANGE_END_TAG, RANGE_START_TAG
from bionicpro_assets.settings import Settings

PARTITION_TAG = "dagster/partition"

Context = dg.AssetCheckExecutionContext
Hours = Sequence[datetime]


@dataclass(frozen=True)
class Asked:
    """What a step of checks has to go by.

    Attributes:
        context: The step's.
        hours: The hours of the run.
        settings: The settings.
    """

    context: Context
    hours: Hours
    settings: Settings

    @property
    def store(self) -> ClickHouseIOManager:
        """Where the rows are, and what this run has published of them."""
        store: ClickHouseIOManager = getattr(self.context.op_execution_context.resources, keys.CLICKHOUSE_IO_MANAGER)
        return store

    def source(self, key: str) -> PostgresSource:
        """A source database."""
        resource: PostgresResource = getattr(self.context.op_execution_context.resources, key)
        return resource.source

    def published(self, table: str) -> Publication | None:
        """What this run has published of the table, if it is of these hours: nothing is to be looked at again then."""
        found = self.store.published.get(table)
        if found is None or found.superseded or sorted(found.entries) != sorted(self.hours):
            return None
        return found

    def verdicts(self, claims: Sequence[Claim]) -> list[HourVerdict]:
        """What the claims on rows find: as they were found when the rows were published, else by a look at them now."""
        known: dict[tuple[str, str], HourVerdict] = {}
        for claim in claims:
            publication = self.published(claim.table)
            if claim.screen and publication:
                known[claim.table, claim.name] = publication.verdict(claim)
        left = [claim for claim in claims if (claim.table, claim.name) not in known]
        if left:
            found = evaluate(self.store.client, left, self.hours, most_rows=self.settings.chunk_rows)
            known |= {(verdict.claim.table, verdict.claim.name): verdict for verdict in found}
        return [known[claim.table, claim.name] for claim in claims]


VerdictsOf = Callable[[Asked], list[HourVerdict]]


def data_checks(settings: Settings, retry_policy: dg.RetryPolicy | None) -> list[dg.AssetChecksDefinition]:
    """The checks on the extracts, the quarantine and the mart; on the roll-up too, where this platform runs it."""

    def about(*tables: str) -> list[Claim]:
        return [claim for claim in claims(settings) if claim.table in tables]

    crm, telemetry, reports = about(CRM), about(TELEMETRY), about(REJECTED, MART)

    def check_crm(asked: Asked) -> list[HourVerdict]:
        rows = crm_rows_verdicts(asked.source(keys.CRM_DB), asked.hours)
        return [_view(asked, crm_contract(), keys.CRM_DB), *rows, *asked.verdicts(crm)]

    def check_telemetry(asked: Asked) -> list[HourVerdict]:
        ahead = ahead_verdict(asked.source(keys.TELEMETRY_DB), asked.hours)
        return [_view(asked, telemetry_contract(), keys.TELEMETRY_DB), ahead, *asked.verdicts(telemetry)]

    def check_reports(asked: Asked) -> list[HourVerdict]:
        publication = asked.published(MART)
        if not publication:
            return [published_verdict(asked.store.client, asked.hours), *asked.verdicts(reports)]
        # Nothing is published whose parity wasn't found to be right. Of hours whose rows weren't looked at, all rows
        # are there; if somebody found them to be others than were published, they are it still.
        answered = {hour: Found(rows, 0, []) for hour, rows in publication.rows_per_hour.items() if rows}
        failing = still_failing(asked.context.instance, published_claim(), publication.unread)
        return [Verdict(published_claim(), {**answered, **failing}), *asked.verdicts(reports)]

    def check_roll_up(asked: Asked) -> list[HourVerdict]:
        return raw_verdicts(asked.source(keys.TELEMETRY_DB), asked.hours)

    steps: list[tuple[str, list[Claim], VerdictsOf, list[str]]] = [
        ("check_crm", [crm_contract(), *crm_rows(), *crm], check_crm, [keys.CRM_DB]),
        ("check_telemetry", [telemetry_contract(), no_hour_ahead(), *telemetry], check_telemetry, [keys.TELEMETRY_DB]),
        ("check_reports", [published_claim(), *reports], check_reports, []),
    ]
    if settings.rollup == "platform":
        steps.append(("check_roll_up", raw_claims(), check_roll_up, [keys.TELEMETRY_DB]))
    return [_check(*step, settings, retry_policy) for step in steps]


def _view(asked: Asked, claim: Claim, key: str) -> HourVerdict:
    """Whether a source's view is as contracted: this run couldn't have published what it read from another one."""
    if asked.published(claim.table):
        return Verdict(claim, {max(asked.hours): Found(len(VIEWS[claim.table].columns), 0, [])})
    return view_verdict(claim, asked.source(key), asked.hours)


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
        required_resource_keys={keys.CLICKHOUSE_IO_MANAGER, *sources},
        can_subset=True,
        retry_policy=retry_policy,
        pool=keys.POOL,
    )
    def check(context: Context) -> Iterator[dg.AssetCheckResult]:
        hours = hours_of_run(context.run.tags, settings)
        step = context.op_execution_context.get_step_execution_context()
        with clear_failure():
            verdicts = verdicts_of(Asked(context, hours, settings))
        asked = {key.name for key in context.op_execution_context.selected_asset_check_keys}
        verdicts = [verdict for verdict in verdicts if verdict.claim.name in asked]
        now = datetime.now(UTC)
        news = [verdict for verdict in verdicts if is_news(context.instance, verdict, hours, now)]
        tell = hours_to_tell(context.instance, news, hours)
        for verdict in verdicts:
            of_all = result(verdict) if verdict in news else aside(verdict.claim)
            told = list(evaluations(verdict, tell.get(verdict.claim.name, [])))
            if verdict.claim.blocking and (verdict.claim.table in (CRM, TELEMETRY) or not verdict.passed):
                # The step of the mart waits for the outputs of the first; Dagster fails the run for the others.
                yield of_all
            else:
                # As an output of the step, each would be recorded in one more event, which says nothing more.
                told.append(of_all.to_asset_check_evaluation(step))
            for evaluation in told:
                # Takes an evaluation, though its annotation doesn't say so yet; a test holds that.
                context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type]

    return check


def hours_of_run(tags: Mapping[str, str], settings: Settings) -> list[datetime]:
    """The hours that a run is about: of its range or its partition; those of a refresh now, if it names none."""
    if RANGE_START_TAG in tags and RANGE_END_TAG in tags:
        return hour_range(parse_hour(tags[RANGE_START_TAG]), parse_hour(tags[RANGE_END_TAG]))
    if PARTITION_TAG in tags:
        return [parse_hour(tags[PARTITION_TAG])]
    return refresh_window(datetime.now(UTC), lookback_hours=settings.lookback_hours, start=settings.partitions_start)
