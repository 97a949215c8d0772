-- When the source last sent, by the journal. A small fleet sleeps: an hour is usually quiet if the hours that lie around
-- it had no rows two or more times in the last seven days, and a night of such hours is no failure; a whole day always
-- is. The hours beside it count too, because a few people may all go to bed an hour early. As long as nothing was ever
-- sent, time counts from the first hour that was loaded.
WITH loaded AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds,
           argMax(row_count, (source_read_at, started_at, publication)) AS n
    FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry'
    GROUP BY hour_start
),
-- A subquery that gives one value is evaluated once, wherever it is used.
(
    SELECT (if(max(n) > 0, maxIf(hour_seconds, n > 0), min(hour_seconds)), max(n) > 0, count()) FROM loaded
) AS newest,
toInt64(newest.1) AS last,
{now:UInt32} AS this_moment,
(
    SELECT range(last + 3600, greatest(last + 7200, least(last + 90000, this_moment - 3599)), 3600)
) AS missed,
(
    SELECT count() FROM (
        SELECT m.hour_seconds AS hour_seconds
        FROM (
            SELECT arrayJoin(missed) AS hour_seconds,
                   toUInt32(hour_seconds - 86400 * arrayJoin([1, 2, 3, 4, 5, 6, 7]) + 3600 * arrayJoin([-1, 0, 1])) AS alike
        ) AS m
        INNER JOIN loaded AS l ON l.hour_seconds = m.alike
        GROUP BY hour_seconds
        HAVING countIf(l.n = 0) >= 2
    )
) AS quiet
SELECT toUInt32(last) AS hour_seconds, newest.3 AS checked, toUInt64(late) AS failed,
       if(late, [if(newest.2, format('the newest row is of the hour {} UTC', formatDateTime(toDateTime(last, 'UTC'), '%F %T', 'UTC')),
                    'no row has ever come')], []) AS sample,
       this_moment > last + 3600 + 60 * {minutes:UInt32}
       AND (this_moment > last + 90000 OR quiet < length(missed)) AS late
WHERE newest.3 > 0
