-- How many hours are published, the newest of them, when its source was read, and all visible rows; in Unix seconds.
SELECT
    count() AS hours,
    toUnixTimestamp(max(hour_start)) AS newest_hour,
    toUnixTimestamp(argMax(read_at, hour_start)) AS newest_read_at,
    sum(visible_rows) AS row_count
FROM
(
    SELECT
        hour_start,
        max(source_read_at) AS read_at,
        argMax(row_count, (source_read_at, started_at, publication)) AS visible_rows
    FROM storage.publications
    WHERE table_name = {table_name:String}
    GROUP BY hour_start
)
