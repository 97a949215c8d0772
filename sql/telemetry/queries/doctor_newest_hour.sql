-- The newest hour that was rolled up, and how many chips sent in it. By the clock of the database, a week back: an
-- older one is no help, and the index answers at once. One that hasn't begun was rolled up by mistake.
SELECT hour_start, count(*)::bigint AS chips
FROM telemetry.v_hourly_telemetry
WHERE hour_start > now() - interval '7 days' AND hour_start <= now()
GROUP BY hour_start
ORDER BY hour_start DESC
LIMIT 1
