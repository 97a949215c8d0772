-- By the journal: an hour that is known to be empty was loaded too.
SELECT day, count() AS checked, countIf(missing) AS failed,
       groupArrayIf(5)(formatDateTime(toDateTime(hour_seconds, 'UTC'), '%F %H:00 UTC', 'UTC'), missing) AS sample
FROM (
    SELECT arrayJoin({expected:Array(UInt32)}) AS hour_seconds,
           toDate(toDateTime(hour_seconds, 'UTC'), {zone:String}) AS day,
           hour_seconds NOT IN (SELECT toUnixTimestamp(hour_start) FROM storage.publications
                                WHERE table_name = 'reports.user_prosthesis_stats') AS missing
)
GROUP BY day
