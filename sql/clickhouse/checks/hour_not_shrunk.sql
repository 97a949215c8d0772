-- Rows of an hour that is over, against what was published of it before, by the journal: in the last week, and last before
-- that week.
WITH told AS (
    SELECT hour_start, row_count, committed_at,
           maxIf(committed_at, committed_at < now64(6) - toIntervalDay(7)) OVER (PARTITION BY hour_start) AS last_before
    FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry'
      AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
      AND source_read_at >= hour_start + INTERVAL 1 HOUR
),
before AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds, max(row_count) AS most
    FROM told WHERE committed_at >= last_before GROUP BY hour_start
),
now_there AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds, argMax(row_count, (source_read_at, started_at, publication)) AS n
    FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry'
      AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
    GROUP BY hour_seconds
)
SELECT b.hour_seconds AS hour_seconds, b.most AS checked, toUInt64(lost) AS failed,
       if(lost, [format('{} rows, and there were {}', toString(n.n), toString(b.most))], []) AS sample,
       b.most >= 10 AND n.n < b.most * (1 - {share:Float64}) AS lost
FROM before AS b LEFT JOIN now_there AS n ON n.hour_seconds = b.hour_seconds
