"""Which assets are older than their freshness policies allow."""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.alerts.problem import Problem, Severity

# By the state that Dagster's daemon gives an asset: how bad that is, the title, and the sentence.
STALE = {
    "FAIL": (Severity.ERROR, "Stale: {}", "hasn't been loaded for longer than its freshness policy allows"),
    "WARN": (Severity.WARNING, "Getting stale: {}", "is about to be older than its freshness policy allows"),
}


def stale_assets(instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey], ui_url: str) -> list[Problem]:
    """Those of the assets that are stale or nearly, as Dagster's daemon says."""
    # Not marked as public in 1.13, where no public method gives the state; test_alerts notices when it moves.
    records = instance.get_freshness_state_records(sorted(assets))
    return [
        _stale(instance, key, record.freshness_state.value, record.updated_at, ui_url)
        for key, record in sorted(records.items())
        if record.freshness_state.value in STALE
    ]


def _stale(instance: dg.DagsterInstance, key: dg.AssetKey, state: str, since: datetime, ui_url: str) -> Problem:
    severity, title, sentence = STALE[state]
    asset = key.to_user_string()
    latest = instance.fetch_materializations(key, limit=1).records
    last = f"{datetime.fromtimestamp(latest[0].timestamp, UTC):%Y-%m-%d %H:%M} UTC" if latest else "never"
    return Problem(
        key=f"freshness:{asset}",
        title=title.format(asset),
        severity=severity,
        since=since,
        # All assets go stale together when nothing runs any more: that is one message.
        cause="freshness",
        what=(f"{asset} {sentence}. Loaded last: {last}.",),
        todo="See whether its schedule is on, whether runs are queued behind another one, and how the last ended.",
        link=f"{ui_url.rstrip('/')}/assets/{asset}" if ui_url else "",
    )
