-- The hours of a period that a table was ever published for.
SELECT DISTINCT toUnixTimestamp(hour_start) AS hour_seconds FROM storage.publications
WHERE table_name = {table_name:String}
  AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
ORDER BY hour_seconds
