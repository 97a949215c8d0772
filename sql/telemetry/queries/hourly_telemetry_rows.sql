-- How many rows the hours [:since, :until) have, to read as many of them at a time as fit into memory.
SELECT date_trunc('hour', hour_start)::timestamptz AS hour_start, count(*)::bigint AS rows
FROM telemetry.v_hourly_telemetry
WHERE hour_start >= :since AND hour_start < :until
GROUP BY 1
