-- Rows of an hour against the same hour of the same weekday in the weeks before, by the journal. The band is the median
-- give or take the larger of a share of it and of three times the usual deviation; hours that are over only.
WITH published AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds,
           toInt64(argMax(row_count, (source_read_at, started_at, publication))) AS n
    FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry'
      AND hour_start >= toDateTime({since:UInt32}, 'UTC') - toIntervalDay(28) AND hour_start < toDateTime({until:UInt32}, 'UTC')
    GROUP BY hour_start
),
counted AS (
    SELECT h.hour_seconds AS hour_seconds, toInt64(countIf(r.chip_id != '')) AS n
    FROM (SELECT arrayJoin(range({since:UInt32}, {until:UInt32}, 3600)) AS hour_seconds) AS h
    LEFT JOIN (SELECT toUnixTimestamp(hour_start) AS hour_seconds, chip_id FROM :rows) AS r ON r.hour_seconds = h.hour_seconds
    GROUP BY hour_seconds
),
history AS (
    SELECT c.hour_seconds AS hour_seconds, any(c.n) AS n, groupArray(p.n) AS before
    FROM counted AS c INNER JOIN published AS p ON 1 = 1
    WHERE p.hour_seconds < c.hour_seconds AND (c.hour_seconds - p.hour_seconds) % 604800 = 0
      AND c.hour_seconds + 3600 <= toUnixTimestamp(now())
    GROUP BY hour_seconds
    HAVING length(before) >= 3
),
banded AS (
    SELECT hour_seconds, n, arrayReduce('median', before) AS usual,
           greatest(usual * {share:Float64}, 3 * arrayReduce('median', arrayMap(b -> abs(b - usual), before)), 5) AS width
    FROM history
)
SELECT hour_seconds, toUInt64(n) AS checked, toUInt64(abs(n - usual) > width) AS failed,
       if(abs(n - usual) > width,
          [format('{} rows, where {} are usual, give or take {}', toString(n), toString(usual), toString(round(width)))], []) AS sample
FROM banded
