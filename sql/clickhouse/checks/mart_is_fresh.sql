-- The newest hour of the mart, and when its source was read.
SELECT toUnixTimestamp(max(hour_start)) AS hour_seconds, uniqExact(hour_start) AS checked,
       toUInt64(late) AS failed,
       if(late, [format('the newest hour is {}, read at {} UTC', formatDateTime(max(hour_start), '%F %T', 'UTC'),
                        formatDateTime(max(source_read_at), '%F %T', 'UTC'))], []) AS sample,
       now64(6) > max(source_read_at) + toIntervalMinute({minutes:UInt32})
       OR toUnixTimestamp(now()) > toUnixTimestamp(max(hour_start)) + 3600 + 60 * {minutes:UInt32} AS late
FROM storage.publications
WHERE table_name = 'reports.user_prosthesis_stats'
HAVING checked > 0
