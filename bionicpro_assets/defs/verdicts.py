"""How a verdict of a data-quality claim becomes an asset check evaluation of Dagster."""

from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from bionicpro_assets.errors import ContractError
from bionicpro_assets.frames import HourlyLoad, Part, Visible
from bionicpro_assets.hours import HOUR, floor_hour, partition_key
from bionicpro_assets.quality.claims import Claim
from bionicpro_assets.quality.evaluate import BlockedError
from bionicpro_assets.quality.source_claims import broken_contract
from bionicpro_assets.quality.verdict import Found, HourVerdict

SEVERITIES = {"ERROR": dg.AssetCheckSeverity.ERROR, "WARN": dg.AssetCheckSeverity.WARN}
# A run that is under way has planned an evaluation of each of its hours; those say nothing.
EVALUATED = {AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED}
# Metadata of an evaluation of rows that were not published: by which run. That the run failed is told by itself.
BLOCKED_RUN = "run"
# Hours that one evaluation names; a backfill of a bad month has many.
HOURS_NAMED = 50


def key_of(claim: Claim) -> dg.AssetKey:
    """The asset that a claim is about."""
    return dg.AssetKey(claim.table.split("."))


def check_key(claim: Claim) -> dg.AssetCheckKey:
    """The asset check that a claim is."""
    return dg.AssetCheckKey(key_of(claim), claim.name)


def spec(claim: Claim) -> dg.AssetCheckSpec:
    """The asset check that a claim is, as Dagster wants it declared."""
    return dg.AssetCheckSpec(
        claim.name, asset=key_of(claim), description=claim.words, blocking=claim.blocking, metadata=thresholds(claim)
    )


def thresholds(claim: Claim) -> dict[str, str | float]:
    """The claim's thresholds as metadata."""
    return {name: value if isinstance(value, str) else float(value) for name, value in claim.parameters.items()}


def result(verdict: HourVerdict) -> dg.AssetCheckResult:
    """The evaluation of all hours of a run."""
    return dg.AssetCheckResult(
        passed=verdict.passed,
        asset_key=key_of(verdict.claim),
        check_name=verdict.claim.name,
        severity=SEVERITIES[verdict.claim.severity],
        description=None if verdict.passed else str(verdict),
        metadata=_metadata(verdict, sorted(verdict.found)),
    )


def is_news(instance: dg.DagsterInstance, verdict: HourVerdict, hours: Sequence[datetime], now: datetime) -> bool:
    """Whether a run of these hours may say so.

    A run that loads hours of last month can't make anything fresh, and isn't asked whether it is: it begins no problem
    of freshness. One that is known it repeats, and so hides none.
    """
    if verdict.passed or not verdict.claim.of_now:
        return True
    age = timedelta(minutes=verdict.claim.parameters["minutes"])
    return max(hours) + HOUR + age > now or _failed_last(instance, verdict.claim)


def aside(claim: Claim) -> dg.AssetCheckResult:
    """The evaluation of a claim about the present by a run that is about other hours."""
    return dg.AssetCheckResult(
        passed=True,
        asset_key=key_of(claim),
        check_name=claim.name,
        severity=SEVERITIES[claim.severity],
        description="This run is for older hours only, and says nothing of it; runs of the last hours do.",
        metadata={"checked": 0, "failed": 0},
    )


def evaluations(verdict: HourVerdict, hours: Sequence[datetime]) -> Iterator[dg.AssetCheckEvaluation]:
    """The evaluations of single hours, each under its partition."""
    for hour in hours:
        failed = hour in verdict.failing
        yield dg.AssetCheckEvaluation(
            asset_key=key_of(verdict.claim),
            check_name=verdict.claim.name,
            passed=not failed,
            severity=SEVERITIES[verdict.claim.severity],
            description=str(verdict.only(hour)) if failed else None,
            metadata=_metadata(verdict, [hour] if hour in verdict.found else []),
            blocking=verdict.claim.blocking,
            partition=partition_key(hour),
        )


def hours_to_tell(
    instance: dg.DagsterInstance, verdicts: Sequence[HourVerdict], hours: Sequence[datetime]
) -> Mapping[str, list[datetime]]:
    """By claim, the hours whose own evaluation is news: they offend, or they did when they were evaluated last.

    An evaluation for every hour and claim would be the most of what a run writes; one that says again that all is well
    tells nobody anything.
    """
    return {
        verdict.claim.name: [
            hour for hour in hours if hour in verdict.failing or _failed_before(instance, verdict.claim, hour)
        ]
        for verdict in verdicts
        if not verdict.passed or _ever_failed(instance, verdict.claim)
    }


def _ever_failed(instance: dg.DagsterInstance, claim: Claim) -> bool:
    """Whether the claim ever didn't hold: of most there is nothing to look up hour by hour."""
    return bool(_latest(instance, claim, {AssetCheckExecutionRecordStatus.FAILED}))


def _failed_last(instance: dg.DagsterInstance, claim: Claim) -> bool:
    """Whether the last evaluation, of whatever hours, says that the claim doesn't hold."""
    found = _latest(instance, claim, EVALUATED)
    return any(record.status == AssetCheckExecutionRecordStatus.FAILED for record in found)


def _failed_before(instance: dg.DagsterInstance, claim: Claim, hour: datetime) -> bool:
    """Whether the last evaluation of the hour says that the claim doesn't hold."""
    found = _latest(instance, claim, EVALUATED, PartitionKeyFilter(key=partition_key(hour)))
    return any(record.status == AssetCheckExecutionRecordStatus.FAILED for record in found)


def _latest(
    instance: dg.DagsterInstance,
    claim: Claim,
    status: Set[AssetCheckExecutionRecordStatus],
    partition: PartitionKeyFilter | None = None,
) -> Sequence[AssetCheckExecutionRecord]:
    # There is no public method for it yet; integration/test_claims.py holds this one.
    return instance.event_log_storage.get_asset_check_execution_history(
        check_key(claim), limit=1, status=status, partition_filter=partition
    )


def still_failing(instance: dg.DagsterInstance, claim: Claim, hours: Sequence[datetime]) -> dict[datetime, Found]:
    """What the last evaluation found of those of the hours in which the claim didn't hold."""
    if not hours or not _ever_failed(instance, claim):
        return {}
    found = {}
    for hour in hours:
        record = next(iter(_latest(instance, claim, EVALUATED, PartitionKeyFilter(key=partition_key(hour)))), None)
        if record is not None and record.status == AssetCheckExecutionRecordStatus.FAILED:
            found[hour] = _found_in(record)
    return found


def _found_in(record: AssetCheckExecutionRecord) -> Found:
    """What an evaluation of one hour says was found."""
    event = record.event.dagster_event if record.event else None
    metadata = event.asset_check_evaluation_data.metadata if event else {}
    counts = {n: m.value for n in ("checked", "failed") if isinstance(m := metadata.get(n), dg.IntMetadataValue)}
    table = metadata.get("hours")
    samples = [str(row.data["sample"]) for row in table.records] if isinstance(table, dg.TableMetadataValue) else []
    return Found(counts.get("checked") or 1, counts.get("failed") or 1, [sample for sample in samples if sample])


def contract_told(context: dg.AssetExecutionContext, claim: Claim, load: HourlyLoad) -> HourlyLoad:
    """The load, which records that a source's view isn't as contracted where it fails: the check's step comes later."""

    def parts(visible: Visible) -> Generator[Part]:
        try:
            yield from load.parts(visible)
        except ContractError as error:
            verdict = broken_contract(claim, error, [floor_hour(datetime.now(UTC))])
            context.log_event(_overall(verdict))
            raise

    return replace(load, parts=parts)


def tell_blocked(instance: dg.DagsterInstance, error: BlockedError, run_id: str) -> None:
    """Record the claims that keep rows from being published; the step that checks what is published doesn't come."""
    run = instance.get_run_by_id(run_id)
    for verdict in error.verdicts:
        for evaluation in [*evaluations(verdict, verdict.failing), _overall(verdict)]:
            told = evaluation.with_metadata({**evaluation.metadata, BLOCKED_RUN: run_id})
            # Under the run: without one, Dagster takes a second evaluation of an hour for a mistake, and fails.
            event = dg.DagsterEvent(
                dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
                job_name=run.job_name if run else "",
                event_specific_data=told,
            )
            instance.report_dagster_event(event, run_id)


def _overall(verdict: HourVerdict) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key_of(verdict.claim),
        check_name=verdict.claim.name,
        passed=verdict.passed,
        severity=SEVERITIES[verdict.claim.severity],
        description=str(verdict),
        metadata=_metadata(verdict, sorted(verdict.found)),
        blocking=verdict.claim.blocking,
    )


def _metadata(verdict: HourVerdict, hours: Sequence[datetime]) -> dict[str, dg.MetadataValue]:
    found = [verdict.found[hour] for hour in hours]
    metadata: dict[str, dg.MetadataValue] = {
        "checked": dg.MetadataValue.int(sum(v.checked for v in found)),
        "failed": dg.MetadataValue.int(sum(v.failed for v in found)),
    }
    bad = [hour for hour in hours if hour in verdict.failing]
    if bad:
        records = [
            dg.TableRecord(
                {
                    "hour": partition_key(hour),
                    "checked": verdict.found[hour].checked,
                    "failed": verdict.found[hour].failed,
                    "sample": "; ".join(verdict.found[hour].sample),
                }
            )
            for hour in bad[:HOURS_NAMED]
        ]
        metadata["hours"] = dg.MetadataValue.table(records)
    return metadata
