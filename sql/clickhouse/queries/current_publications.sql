-- Of every hour asked for, the publication that is visible now. Hours never published are absent.
-- Instants leave as numbers: how a client turns a DateTime into an object depends on the zone it runs in.
SELECT
    toUnixTimestamp(hour_start) AS hour_seconds,
    argMax(publication, (source_read_at, started_at, publication)) AS current_publication,
    argMax(
        (toUnixTimestamp64Micro(source_read_at), row_count, checksum, run_id, sent_as),
        (source_read_at, started_at, publication)
    ) AS facts
FROM storage.publications
WHERE table_name = {table_name:String}
  AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
GROUP BY hour_start
ORDER BY hour_start
