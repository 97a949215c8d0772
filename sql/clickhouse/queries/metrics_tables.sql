-- Of every table: published hours, visible rows, the newest hour that has any, and when its source was read last; in
-- Unix seconds.
SELECT
    table_name,
    count() AS hours,
    sum(visible_rows) AS row_count,
    toUnixTimestamp(maxIf(hour_start, visible_rows > 0)) AS newest_hour,
    toUnixTimestamp64Micro(max(read_at)) / 1e6 AS newest_read
FROM
(
    SELECT
        table_name,
        hour_start,
        max(source_read_at) AS read_at,
        argMax(row_count, (source_read_at, started_at, publication)) AS visible_rows
    FROM storage.publications
    GROUP BY table_name, hour_start
)
GROUP BY table_name
ORDER BY table_name
