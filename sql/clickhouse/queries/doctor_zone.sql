-- The local date and hour of every hour from :since on, by ClickHouse's own data of time zones.
SELECT
    toUInt32({since:UInt32} + 3600 * number) AS hour_seconds,
    toUInt32(toDate(toDateTime(hour_seconds, 'UTC'), {zone:String})) AS days,
    toHour(toDateTime(hour_seconds, 'UTC'), {zone:String}) AS hour
FROM numbers({hours:UInt32})
ORDER BY hour_seconds
