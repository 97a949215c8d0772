-- The same as late_hour_states.sql, for all hours of a period.
SELECT
    hour_start::timestamptz AS hour,
    count(*)::text || ':' ||
        coalesce(sum((date_part('epoch', updated_at) * 1000000)::bigint % 2147483647), 0)::bigint AS state
FROM telemetry.v_hourly_telemetry
WHERE hour_start >= :first AND hour_start < :until
GROUP BY hour_start
