-- Rows of an hour against the same hour of the same weekday in the four weeks before, by the journal. The hours next to
-- it count too: clocks that change shift a whole fleet's day by an hour. The band reaches beyond the medians by a share of
-- them, by three times the usual deviation or by 5 rows, whichever is most; hours that are over only.
WITH published AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds,
           toInt64(argMax(row_count, (source_read_at, started_at, publication))) AS n
    FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry' AND hour_start < toDateTime({until:UInt32}, 'UTC')
      AND hour_start >= toDateTime({since:UInt32} - 4 * 604800 - 3600, 'UTC')
    GROUP BY hour_start
),
judged AS (SELECT hour_seconds, n FROM published WHERE hour_seconds >= {since:UInt32} AND hour_seconds + 3600 <= {now:UInt32}),
weeks AS (
    SELECT a.hour_seconds AS hour_seconds, any(a.n) AS n, a.week AS week, min(p.n) AS least, max(p.n) AS most
    FROM (
        SELECT hour_seconds, n, arrayJoin([1, 2, 3, 4]) AS week,
               toUInt32(hour_seconds - 604800 * week + 3600 * arrayJoin([-1, 0, 1])) AS like
        FROM judged
    ) AS a
    INNER JOIN published AS p ON p.hour_seconds = a.like
    GROUP BY hour_seconds, week
    HAVING count() = 3
),
usual AS (
    SELECT hour_seconds, any(n) AS n, groupArray(least) AS leasts, groupArray(most) AS mosts,
           arrayReduce('median', leasts) AS low, arrayReduce('median', mosts) AS high,
           greatest(low * {share:Float64}, 3 * arrayReduce('median', arrayMap(x -> abs(x - low), leasts)), 5) AS below,
           greatest(high * {share:Float64}, 3 * arrayReduce('median', arrayMap(x -> abs(x - high), mosts)), 5) AS above
    FROM weeks
    GROUP BY hour_seconds
    HAVING count() >= 3
)
SELECT hour_seconds, toUInt64(n) AS checked, toUInt64(n < low - below OR n > high + above) AS failed,
       if(failed > 0, [format('{} rows, where {} to {} are usual, give or take {}', toString(n), toString(low), toString(high),
                              toString(round(if(n < low, below, above))))], []) AS sample
FROM usual
