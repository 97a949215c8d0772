-- The newest raw row that arrived before an instant: reads back from the newest one, by the primary key.
SELECT telemetry_id::bigint
FROM telemetry.raw_telemetry
WHERE created_at < :since
ORDER BY telemetry_id DESC
LIMIT 1
