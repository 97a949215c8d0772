-- When the demo's telemetry begins, that of its history included.
SELECT least((SELECT min(hour_start) FROM telemetry.hourly_stats), (SELECT min(timestamp) FROM telemetry.raw_telemetry))
