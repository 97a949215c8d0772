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
recent AS (
    SELECT chip_id AS chip, groupArray(toUnixTimestamp(hour_start)) AS at
    FROM staging.hourly_telemetry
    WHERE hour_start IN (
        SELECT slot FROM slots WHERE (day = 0 OR (day = 1 AND back = 0)) AND hour_seconds IN (SELECT hour_seconds FROM judged)
    )
    GROUP BY chip
),
-- Of every hour, how many sent in it yesterday, and which of them in none of the three hours today. They are nearly
-- nobody: only their days are looked up. A subquery that gives one value is evaluated once, wherever it is used.
(
    SELECT groupArray((hour_seconds, n, absent)) FROM (
        SELECT hour_seconds, count() AS n, groupArrayIf(chip, NOT hasAny(at, [hour_seconds, hour_seconds - 3600, hour_seconds - 7200])) AS absent
        FROM (
            SELECT chip, at, arrayJoin(arrayFilter(h -> has(at, h - 86400), (SELECT groupArray(hour_seconds) FROM judged))) AS hour_seconds
            FROM recent
        )
        GROUP BY hour_seconds
    )
) AS found,
suspects AS (SELECT DISTINCT arrayJoin(arrayFlatten(found.3)) AS chip),
usual AS (
    SELECT chip_id AS chip, groupArray(toUnixTimestamp(hour_start)) AS at
    FROM staging.hourly_telemetry
    WHERE hour_start IN (SELECT slot FROM slots WHERE day > 0) AND chip_id IN (SELECT chip FROM suspects)
    GROUP BY chip
),
excused AS (
    -- With the last hour of the window in which it is so: what the CRM says later explains what was silent before.
    SELECT chip, max(hour_seconds) AS last
    FROM (
        SELECT toUnixTimestamp(hour_start) AS hour_seconds, ifNull(chip_id, '') AS chip
        FROM :crm WHERE (ownership = 'ended' OR prosthesis_status != 'active') AND chip_id IN (SELECT chip FROM suspects)
        UNION ALL
        SELECT toUnixTimestamp(n.hour_start), n.chip
        FROM (
            SELECT hour_start, ifNull(chip_id, '') AS chip, customer_id, hour_start - 86400 * {days:UInt8} AS then
            FROM :crm WHERE chip_id IN (SELECT chip FROM suspects)
        ) AS n
        INNER JOIN (
            SELECT hour_start, ifNull(chip_id, '') AS chip, customer_id FROM staging.crm_customer_prosthesis
            WHERE hour_start >= toDateTime({since:UInt32} - 86400 * {days:UInt8}, 'UTC')
              AND hour_start < toDateTime({until:UInt32} - 86400 * {days:UInt8}, 'UTC')
              AND chip_id IN (SELECT chip FROM suspects)
        ) AS b ON b.hour_start = n.then AND b.chip = n.chip
        WHERE b.customer_id != n.customer_id
    )
    GROUP BY chip
),
silent AS (
    SELECT h.hour_seconds AS hour_seconds, groupArray(h.chip) AS chips
    FROM (SELECT hour_seconds, arrayJoin(absent) AS chip FROM (SELECT arrayJoin(found) AS f, f.1 AS hour_seconds, f.3 AS absent)) AS h
    INNER JOIN usual AS u ON u.chip = h.chip
    LEFT JOIN excused AS e ON e.chip = h.chip
    WHERE h.hour_seconds > e.last
      AND arrayCount(
          x -> x < h.hour_seconds - 10000 AND (h.hour_seconds - x) % 86400 IN (0, 3600, 7200)
               AND x >= h.hour_seconds - 86400 * {days:UInt8} - 7200, u.at) >= 3 * {days:UInt8}
    GROUP BY hour_seconds
)
SELECT f.1 AS hour_seconds, f.2 AS checked, length(s.chips) AS failed,
       arrayMap(chip -> format('chip {} has sent nothing for three hours', chip), arraySlice(s.chips, 1, 5)) AS sample
FROM (SELECT arrayJoin(found) AS f) AS every_hour LEFT JOIN silent AS s ON s.hour_seconds = f.1
