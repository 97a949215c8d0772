SELECT telemetry.aggregate_hourly_stats(:hour)
