-- A chip that sent in these three hours of the day on each of the last days, and now in none of them. Three hours, because
-- people take an hour off, sleep in, and change their clocks twice a year. Not those whose wearer the CRM has stopped
-- naming, whose prosthesis isn't in use, or who had another wearer when the days began; only hours that are over, and only
-- where all the days were loaded. Of a long window only the last day: what was silent last month tells nobody anything.
WITH slots AS (
    SELECT arrayJoin(range(greatest({since:UInt32}, {until:UInt32} - 86400), {until:UInt32}, 3600)) AS hour_seconds,
           arrayJoin(range({days:UInt8} + 1)) AS day, arrayJoin([0, 1, 2]) AS back,
           toDateTime(toUInt32(hour_seconds - 86400 * day - 3600 * back), 'UTC') AS slot
    WHERE hour_seconds + 3600 <= {now:UInt32}
),
published AS (
    SELECT DISTINCT hour_start FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry' AND hour_start IN (SELECT slot FROM slots)
),
judged AS (
    SELECT hour_seconds FROM slots WHERE slot IN (SELECT hour_start FROM published)
    GROUP BY hour_seconds HAVING count() = 3 * ({days:UInt8} + 1)
),
sent AS (
    SELECT s.hour_seconds AS hour_seconds, t.chip_id AS chip, countIf(s.day > 0) AS before, countIf(s.day = 0) AS today
    FROM (SELECT hour_start, chip_id FROM staging.hourly_telemetry WHERE hour_start IN (SELECT slot FROM slots)) AS t
    INNER JOIN (SELECT hour_seconds, day, slot FROM slots WHERE hour_seconds IN (SELECT hour_seconds FROM judged)) AS s
        ON s.slot = t.hour_start
    GROUP BY hour_seconds, chip
    HAVING before >= 3 * {days:UInt8}
),
excused AS (
    -- With the last hour of the window in which it is so: what the CRM says later explains what was silent before.
    SELECT chip, max(hour_seconds) AS last
    FROM (
        SELECT toUnixTimestamp(hour_start) AS hour_seconds, ifNull(chip_id, '') AS chip
        FROM :crm WHERE ownership = 'ended' OR prosthesis_status != 'active'
        UNION ALL
        SELECT toUnixTimestamp(n.hour_start), n.chip
        FROM (SELECT hour_start, ifNull(chip_id, '') AS chip, customer_id, hour_start - 86400 * {days:UInt8} AS then FROM :crm) AS n
        INNER JOIN (
            SELECT hour_start, ifNull(chip_id, '') AS chip, customer_id FROM staging.crm_customer_prosthesis
            WHERE hour_start >= toDateTime({since:UInt32} - 86400 * {days:UInt8}, 'UTC')
              AND hour_start < toDateTime({until:UInt32} - 86400 * {days:UInt8}, 'UTC')
        ) AS b ON b.hour_start = n.then AND b.chip = n.chip
        WHERE b.customer_id != n.customer_id
    )
    WHERE chip != ''
    GROUP BY chip
)
SELECT s.hour_seconds AS hour_seconds, count() AS checked, countIf(s.today = 0 AND s.hour_seconds > e.last) AS failed,
       groupArrayIf(5)(format('chip {} has sent nothing for three hours', s.chip), s.today = 0 AND s.hour_seconds > e.last) AS sample
FROM sent AS s LEFT JOIN excused AS e ON e.chip = s.chip
GROUP BY hour_seconds
