-- Visible rows of all hours that are kept, of each of some tables. The journal keeps its entries for good, and the tables
-- their rows for 365 days: what is older isn't counted.
SELECT table_name, sum(visible_rows) AS row_count
FROM
(
    SELECT table_name, hour_start, argMax(row_count, (source_read_at, started_at, publication)) AS visible_rows
    FROM storage.publications
    WHERE table_name IN {tables:Array(String)} AND hour_start >= toDateTime(today() - 364, 'UTC')
    GROUP BY table_name, hour_start
)
GROUP BY table_name
