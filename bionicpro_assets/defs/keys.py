"""Names that Dagster knows: one place for each."""

import dagster as dg

CRM_DB = "bionicpro_crm_db"
TELEMETRY_DB = "bionicpro_telemetry_db"
CLICKHOUSE = "bionicpro_clickhouse"
CLICKHOUSE_IO_MANAGER = "clickhouse_io_manager"

JOB = "bionicpro_reports_etl"
SCHEDULE = "bionicpro_reports_etl_every_15_minutes"
LATE_SENSOR = "bionicpro_late_hours"
LOAD_JOB = "bionicpro_load_period"
CHECK_JOB = "bionicpro_check_period"
CORRECT_JOB = "bionicpro_correct_wearers"
CHECKS_JOB = "bionicpro_checks"
OPERATOR_SENSOR = "bionicpro_asked_by_operators"
OBSERVE_JOB = "bionicpro_observe_sources"
OBSERVE_SCHEDULE = "bionicpro_observe_sources_every_hour"
SWEEP_JOB = "bionicpro_sweep"
SWEEP_SCHEDULE = "bionicpro_sweep_every_hour"
DAILY_JOB = "bionicpro_daily_reports"
DAILY_SCHEDULE = "bionicpro_daily_reports_every_hour"
ALERTS_SENSOR = "bionicpro_alerts"
# The check on the journal that looks at everything that is kept.
STANDS = "what_was_published_stands"
# One run at a time writes to the mart: dagster.yaml gives every pool one place.
POOL = "bionicpro_reports_etl"

CUSTOMERS = dg.AssetKey(["crm", "customers"])
PROSTHESES = dg.AssetKey(["crm", "prostheses"])
PROSTHESIS_MODELS = dg.AssetKey(["crm", "prosthesis_models"])
RAW_TELEMETRY = dg.AssetKey(["telemetry", "raw_telemetry"])
HOURLY_STATS = dg.AssetKey(["telemetry", "hourly_stats"])
CRM_EXTRACT = dg.AssetKey(["staging", "crm_customer_prosthesis"])
TELEMETRY_EXTRACT = dg.AssetKey(["staging", "hourly_telemetry"])
JOURNAL = dg.AssetKey(["storage", "publications"])
QUARANTINE = dg.AssetKey(["quarantine", "rejected_telemetry"])
MART = dg.AssetKey(["reports", "user_prosthesis_stats"])
USER_DAILY = dg.AssetKey(["reports", "user_daily_stats"])
FLEET_REPORT = dg.AssetKey(["pages", "fleet_report"])

# Assets whose rows are published by the hour in ClickHouse.
PUBLISHED = (CRM_EXTRACT, TELEMETRY_EXTRACT, QUARANTINE, MART)


def table_name(key: dg.AssetKey) -> str:
    """The table an asset is: its key is the table's place."""
    return ".".join(key.path)
