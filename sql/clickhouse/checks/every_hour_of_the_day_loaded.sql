-- By the journal: an hour that is known to be empty was loaded too. An hour that was last read while it was open lacks
-- what came after that.
SELECT day, count() AS checked, countIf(lacking != '') AS failed,
       groupArrayIf(5)(formatDateTime(toDateTime(hour_seconds, 'UTC'), '%F %H:00 UTC', 'UTC') || lacking,
                       lacking != '') AS sample
FROM (
    SELECT hour_seconds, toDate(toDateTime(hour_seconds, 'UTC'), {zone:String}) AS day,
           multiIf(ifNull(loaded, 0) = 0, ' never loaded',
                   ifNull(read_at, 0) < toInt64(hour_seconds + 3600) * 1000000, ' last read before it had ended',
                   '') AS lacking
    FROM (SELECT arrayJoin({expected:Array(UInt32)}) AS hour_seconds) AS expected
    LEFT JOIN (
        SELECT toUnixTimestamp(hour_start) AS hour_seconds, 1 AS loaded,
               max(toUnixTimestamp64Micro(source_read_at)) AS read_at
        FROM storage.publications
        WHERE table_name = 'reports.user_prosthesis_stats'
        GROUP BY hour_start
    ) AS published USING (hour_seconds)
)
GROUP BY day
