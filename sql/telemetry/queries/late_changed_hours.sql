-- The hours of a period with a row that the roll-up wrote or changed since an instant.
SELECT DISTINCT date_trunc('hour', hour_start)::timestamptz AS hour
FROM telemetry.v_hourly_telemetry
WHERE updated_at >= :since AND hour_start >= :first AND hour_start < :until
