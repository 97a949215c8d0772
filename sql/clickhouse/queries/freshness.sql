-- How many hours are published, the newest of them, when its source was read, and all visible rows; in Unix seconds. The
-- journal keeps its entries for good, and the tables their rows for 365 days: what is older isn't counted.
SELECT
    countIf(kept) AS hours,
    toUnixTimestamp(max(hour_start)) AS newest_hour,
    toUnixTimestamp(argMax(read_at, hour_start)) AS newest_read_at,
    sumIf(visible_rows, kept) AS row_count
FROM
(
    SELECT
        hour_start,
        toDate(hour_start, 'UTC') > today() - 365 AS kept,
        max(source_read_at) AS read_at,
        argMax(row_count, (source_read_at, started_at, publication)) AS visible_rows
    FROM storage.publications
    WHERE table_name = {table_name:String}
    GROUP BY hour_start
)
