-- The nearest hours before and after a window of which the CRM's answer is published, in Unix seconds; 0 if there is none.
SELECT
    toUnixTimestamp(maxIf(hour, hour < toDateTime({since:UInt32}, 'UTC'))) AS hour_before,
    toUnixTimestamp(minIf(hour, hour >= toDateTime({until:UInt32}, 'UTC'))) AS hour_after
FROM (
    SELECT hour_start AS hour
    FROM storage.publications
    WHERE table_name = 'staging.crm_customer_prosthesis'
    GROUP BY hour_start
    HAVING argMax(row_count, (source_read_at, started_at, publication)) > 0
)
