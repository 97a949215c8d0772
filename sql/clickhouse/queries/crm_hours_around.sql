-- The nearest hours before and after a window of which the CRM's answer is published, in Unix seconds; 0 if there is none.
SELECT
    toUnixTimestamp(maxIf(hour_start, hour_start < toDateTime({since:UInt32}, 'UTC'))) AS hour_before,
    toUnixTimestamp(minIf(hour_start, hour_start >= toDateTime({until:UInt32}, 'UTC'))) AS hour_after
FROM storage.publications
WHERE table_name = 'staging.crm_customer_prosthesis' AND row_count > 0
