-- Rows of telemetry that are set aside, by reason. A row with several reasons counts for each: all their combinations
-- would be too many.
SELECT arrayJoin(splitByString('; ', reason)) AS one_reason, count() AS row_count
FROM quarantine.rejected_telemetry
GROUP BY one_reason
ORDER BY one_reason
