-- The hours of a period that a table was ever published for, and when the source of what is visible of each was read, in
-- microseconds.
SELECT toUnixTimestamp(hour_start) AS hour_seconds, toUnixTimestamp64Micro(max(source_read_at)) AS read_micros
FROM storage.publications
WHERE table_name = {table_name:String}
  AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
GROUP BY hour_start
ORDER BY hour_seconds
