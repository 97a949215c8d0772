-- Publications whose source was read at a time that hasn't come yet: a clock was ahead.
SELECT table_name, arraySort(groupUniqArray(toUnixTimestamp(hour_start))),
       formatDateTime(max(source_read_at), '%Y-%m-%d %H:%i', 'UTC')
FROM storage.publications
WHERE source_read_at > now64(6) + 300
GROUP BY table_name
ORDER BY table_name
