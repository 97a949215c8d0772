-- Of every hour asked for, the publication that is visible now, for each of some tables. Hours never published are absent.
-- Instants leave as numbers: how a client turns a DateTime into an object depends on the zone it runs in.
SELECT
    table_name,
    toUnixTimestamp(hour_start) AS hour_seconds,
    argMax(
        (publication, toUnixTimestamp64Micro(source_read_at), row_count, checksum, run_id, content, accounting, made_of,
         toUnixTimestamp64Micro(compared_at), facts),
        (source_read_at, started_at, publication)
    ) AS entry
FROM storage.publications
WHERE table_name IN {tables:Array(String)}
  AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
GROUP BY table_name, hour_start
ORDER BY table_name, hour_start
