-- The newest row of the last day of telemetry: does the source still send?
SELECT toUnixTimestamp(max(hour_start)) AS hour_seconds, count() AS checked, toUInt64(late) AS failed,
       if(late, [format('the newest row is of the hour {} UTC', formatDateTime(max(hour_start), '%F %T', 'UTC'))], []) AS sample,
       toUnixTimestamp(now()) > toUnixTimestamp(max(hour_start)) + 3600 + 60 * {minutes:UInt32} AS late
FROM staging.hourly_telemetry
WHERE hour_start >= now() - INTERVAL 28 DAY
HAVING checked > 0
