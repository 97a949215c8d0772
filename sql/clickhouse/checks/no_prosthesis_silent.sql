-- A chip that sent in this hour of the day on each of the last days, and now neither in it nor in the two hours before.
-- Only hours that are over, and only where those days were loaded.
WITH seen AS (
    SELECT hour_start, chip_id FROM staging.hourly_telemetry
    WHERE hour_start >= toDateTime({since:UInt32}, 'UTC') - toIntervalDay({days:UInt8})
      AND hour_start < toDateTime({until:UInt32}, 'UTC')
),
hours AS (
    SELECT arrayJoin(range({since:UInt32}, {until:UInt32}, 3600)) AS hour_seconds
),
usual AS (
    SELECT h.hour_seconds AS hour_seconds, s.chip_id AS chip_id
    FROM hours AS h INNER JOIN seen AS s ON 1 = 1
    WHERE (h.hour_seconds - toUnixTimestamp(s.hour_start)) % 86400 = 0 AND h.hour_seconds > toUnixTimestamp(s.hour_start)
      AND h.hour_seconds + 3600 <= toUnixTimestamp(now())
    GROUP BY hour_seconds, chip_id
    HAVING uniqExact(s.hour_start) = {days:UInt8}
),
there AS (
    SELECT DISTINCT toUnixTimestamp(hour_start) + 3600 * arrayJoin([0, 1, 2]) AS hour_seconds, chip_id FROM :rows
    UNION DISTINCT
    SELECT DISTINCT toUnixTimestamp(hour_start) + 3600 * arrayJoin([0, 1, 2]) AS hour_seconds, chip_id FROM seen
)
SELECT u.hour_seconds AS hour_seconds, count() AS checked, countIf(t.chip_id = '') AS failed,
       groupArrayIf(5)(format('chip {} has sent nothing for three hours', u.chip_id), t.chip_id = '') AS sample
FROM usual AS u LEFT JOIN there AS t ON t.hour_seconds = u.hour_seconds AND t.chip_id = u.chip_id
GROUP BY hour_seconds
