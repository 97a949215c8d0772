"""The metrics: their names, what they say, and where they are read."""

from dataclasses import dataclass
from typing import NamedTuple


class Sample(NamedTuple):
    """One number: of which metric, the values of its labels in the metric's order, the number."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. All are gauges: none of them counts since the start of a process.

    Attributes:
        name: With its unit: instants are Unix time in seconds, and how old something is, is for the query to say.
        words: What it says.
        labels: Names of its labels. `job` and `instance` are Prometheus' own.
        source: Which source it comes from.
    """

    name: str
    words: str
    labels: tuple[str, ...]
    source: str


RUNS = "runs"
DAEMONS = "daemons"
ASSETS = "assets"
CHECKS = "checks"
ALERTS = "alerts"
JOURNAL = "journal"
SCRAPE = "scrape"

ERROR = "bionicpro_scrape_error"
DURATION = "bionicpro_scrape_duration_seconds"

FAMILIES = (
    Family("bionicpro_runs", "Runs that haven't ended, by status", ("status",), RUNS),
    Family(
        "bionicpro_run_oldest_queued_timestamp_seconds",
        "When the run that has been queued longest was asked for; absent while none is queued",
        (),
        RUNS,
    ),
    Family("bionicpro_runs_ended_last_day", "Runs that ended in the last 24 hours", ("job_name", "status"), RUNS),
    Family("bionicpro_job_last_success_timestamp_seconds", "When the job last went well", ("job_name",), RUNS),
    Family("bionicpro_job_last_success_duration_seconds", "How long that run took", ("job_name",), RUNS),
    Family(
        "bionicpro_daemon_heartbeat_timestamp_seconds",
        "When the daemon that is needed last showed that it lives; 0 if it never did",
        ("daemon",),
        DAEMONS,
    ),
    Family("bionicpro_asset_materialized_timestamp_seconds", "When the asset was last loaded", ("asset",), ASSETS),
    Family(
        "bionicpro_asset_newest_hour_timestamp_seconds",
        "Start of the newest hour that was loaded, with or without rows, by Dagster's record",
        ("asset",),
        ASSETS,
    ),
    Family("bionicpro_asset_partitions", "Hours that were loaded, by Dagster's record", ("asset",), ASSETS),
    Family(
        "bionicpro_asset_rows",
        "Visible rows of the hours of the last 365 days, as the last load counted them",
        ("asset",),
        ASSETS,
    ),
    Family(
        "bionicpro_asset_source_read_timestamp_seconds",
        "When the source of the last load was read, by the source's clock",
        ("asset",),
        ASSETS,
    ),
    Family(
        "bionicpro_asset_stale",
        "Whether the asset is older than its freshness policy allows: 1 or 0",
        ("asset", "severity"),
        ASSETS,
    ),
    Family(
        "bionicpro_check_failed",
        "Whether the check didn't hold when it was last evaluated: 1 or 0; absent if it never was",
        ("asset", "check", "severity"),
        CHECKS,
    ),
    Family(
        "bionicpro_open_problems",
        "Problems that people were told of and that aren't over; absent without a channel for alerts",
        ("kind", "severity"),
        ALERTS,
    ),
    Family(
        "bionicpro_alert_messages_waiting",
        "Messages that no channel took yet; absent without a channel for alerts",
        (),
        ALERTS,
    ),
    Family(
        "bionicpro_table_newest_hour_timestamp_seconds",
        "Start of the newest hour with visible rows; not with the embedded engine",
        ("table",),
        JOURNAL,
    ),
    Family(
        "bionicpro_table_source_read_timestamp_seconds",
        "The newest read of the source that was published, by the source's clock; not with the embedded engine",
        ("table",),
        JOURNAL,
    ),
    Family(
        "bionicpro_table_publications",
        "Hours of the last 365 days that are published, empty ones included; not with the embedded engine",
        ("table",),
        JOURNAL,
    ),
    Family(
        "bionicpro_table_rows",
        "Visible rows of the hours of the last 365 days; not with the embedded engine",
        ("table",),
        JOURNAL,
    ),
    Family(
        "bionicpro_quarantine_rows",
        "Rows set aside, by reason; a row with several counts for each; not with the embedded engine",
        ("reason",),
        JOURNAL,
    ),
    Family(
        ERROR,
        "Whether the source couldn't be read in time, so that its metrics are absent: 1 or 0",
        ("source",),
        SCRAPE,
    ),
    Family(DURATION, "How long reading the source took; absent where it failed", ("source",), SCRAPE),
)
