-- Hours of one table whose stored rows aren't as many as the journal says, and publications with rows that the journal
-- doesn't have; none where all is well.
SELECT toUnixTimestamp(hour_start) AS hour_seconds, published, found, unknown
FROM (
    SELECT hour_start, published,
           arraySum(arrayMap(s -> if(s.1 = visible, s.2, 0), stored)) AS found,
           arrayFilter(s -> NOT has(known, s.1), stored) AS unknown
    FROM (
        SELECT hour_start, groupArray(publication) AS known,
               argMax(publication, (source_read_at, started_at, publication)) AS visible,
               argMax(row_count, (source_read_at, started_at, publication)) AS published
        FROM storage.publications
        WHERE table_name = {table_name:String} AND hour_start >= toDateTime({first:UInt32}, 'UTC')
        GROUP BY hour_start
    ) AS journal
    FULL JOIN (
        SELECT hour_start, groupArray((publication, row_count)) AS stored
        FROM (
            SELECT hour_start, publication, count() AS row_count
            FROM :storage
            WHERE hour_start >= toDateTime({first:UInt32}, 'UTC')
            GROUP BY hour_start, publication
        )
        GROUP BY hour_start
    ) AS rows USING (hour_start)
)
WHERE found != published OR notEmpty(unknown)
ORDER BY hour_seconds
SETTINGS join_use_nulls = 0
