-- When the newest hour of the mart was read, and how far it lies back: hours that are read again don't make it fresh.
SELECT toUnixTimestamp(max(hour_start)) AS hour_seconds, uniqExact(hour_start) AS checked,
       toUInt64(late) AS failed, argMax(source_read_at, (hour_start, source_read_at)) AS read_at,
       if(late, [format('the newest hour is {}, read at {} UTC', formatDateTime(max(hour_start), '%F %T', 'UTC'),
                        formatDateTime(read_at, '%F %T', 'UTC'))], []) AS sample,
       {now:UInt32} > toUnixTimestamp(read_at) + 60 * {minutes:UInt32}
       OR {now:UInt32} > toUnixTimestamp(max(hour_start)) + 3600 + 60 * {minutes:UInt32} AS late
FROM storage.publications
WHERE table_name = 'reports.user_prosthesis_stats'
HAVING checked > 0
