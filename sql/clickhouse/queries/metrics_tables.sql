-- Of every table: published hours, visible rows, the newest hour that has any, and when its source was read last; in
-- Unix seconds. Hours and rows are those of the 365 days that the tables keep; the journal keeps its entries for good.
SELECT
    table_name,
    countIf(kept) AS hours,
    sumIf(visible_rows, kept) AS row_count,
    toUnixTimestamp(maxIf(hour_start, visible_rows > 0)) AS newest_hour,
    toUnixTimestamp64Micro(max(read_at)) / 1e6 AS newest_read
FROM
(
    SELECT
        table_name,
        hour_start,
        toDate(hour_start, 'UTC') > today() - 365 AS kept,
        max(source_read_at) AS read_at,
        argMax(row_count, (source_read_at, started_at, publication)) AS visible_rows
    FROM storage.publications
    GROUP BY table_name, hour_start
)
GROUP BY table_name
ORDER BY table_name
