-- The visible publications of the CRM extract in a window, and in the nearest hours before and after it that have rows.
WITH visible AS (
    SELECT hour_start, argMax((publication, row_count), (source_read_at, started_at, publication)) AS entry
    FROM storage.publications
    WHERE table_name = 'staging.crm_customer_prosthesis'
    GROUP BY hour_start
)
SELECT toUnixTimestamp(hour_start) AS hour_seconds, entry.1 AS publication
FROM visible
WHERE (hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC'))
   OR hour_start = (SELECT max(hour_start) FROM visible WHERE hour_start < toDateTime({since:UInt32}, 'UTC') AND entry.2 > 0)
   OR hour_start = (SELECT min(hour_start) FROM visible WHERE hour_start >= toDateTime({until:UInt32}, 'UTC') AND entry.2 > 0)
