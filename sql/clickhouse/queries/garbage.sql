-- Stored rows that nobody reads, by hour and publication: of publications that a newer one replaced, and of attempts
-- that were never committed. A reader that began before a publication was replaced may still read its rows; what is
-- returned was replaced, or written, longer ago than the grace given, by ClickHouse's own clock.
WITH
journal AS (
    SELECT hour_start, publication, (source_read_at, started_at, publication) AS place, committed_at
    FROM storage.publications
    WHERE table_name = {table_name:String}
),
committed AS (
    -- A publication that was confirmed later stands where it was confirmed last.
    SELECT hour_start, publication, max(place) AS last_place FROM journal GROUP BY hour_start, publication
),
replaced AS (
    SELECT c.hour_start AS hour_start, c.publication AS publication,
           minIf(j.committed_at, j.place > c.last_place) AS replaced_at,
           countIf(j.place > c.last_place) > 0 AS is_replaced
    FROM committed AS c INNER JOIN journal AS j ON j.hour_start = c.hour_start
    GROUP BY c.hour_start, c.publication
)
SELECT
    toUnixTimestamp(s.hour_start) AS hour_seconds,
    s.publication AS publication,
    s.row_count AS row_count,
    if(r.publication = 0, 'never committed', 'replaced') AS reason
FROM (
    SELECT hour_start, publication, count() AS row_count, max(written_at) AS last_written_at
    FROM {database:Identifier}.{table:Identifier}
    GROUP BY hour_start, publication
) AS s
LEFT JOIN replaced AS r ON r.hour_start = s.hour_start AND r.publication = s.publication
WHERE (r.publication != 0 AND r.is_replaced AND r.replaced_at <= now64(6) - toIntervalSecond({replaced_grace:UInt32}))
   OR (r.publication = 0 AND s.last_written_at <= now() - toIntervalSecond({uncommitted_grace:UInt32}))
ORDER BY hour_seconds, publication
