-- The newest raw row that arrived before an instant: reads back from the newest one, by the primary key. A row whose
-- stamp can't be, like -infinity, doesn't say when the rows around it came.
SELECT telemetry_id::bigint
FROM telemetry.raw_telemetry
WHERE created_at < :since AND created_at >= '1900-01-01'
ORDER BY telemetry_id DESC
LIMIT 1
