-- The same as late_hour_states.sql, for all hours of a period.
SELECT
    date_trunc('hour', hour_start)::timestamptz AS hour,
    count(*)::text || ':' ||
        sum(hash_array_extended(ARRAY[hour_start, updated_at], hashtextextended(coalesce(chip_id, ''), 0)))::text AS state
FROM telemetry.v_hourly_telemetry
WHERE hour_start >= :first AND hour_start < :until
GROUP BY 1
