-- A chip that sent in these three hours of the day on each of the last days, and now in none of them. Three hours, because
-- people take an hour off, sleep in, and change their clocks twice a year. Not those whose wearer the CRM has stopped
-- naming, whose prosthesis isn't in use, or who had another wearer when the days began; only hours that are over, and only
-- where all the days were loaded. Of a long window only the last day: what was silent last month tells nobody anything.
-- A subquery that gives one value is evaluated once, wherever it is used; a named query would be planned at each use.
WITH (
    SELECT groupUniqArray(toUnixTimestamp(hour_start)) FROM storage.publications
    WHERE table_name = 'staging.hourly_telemetry'
      AND hour_start >= toDateTime(greatest({since:UInt32}, {until:UInt32} - 86400) - 86400 * {days:UInt8} - 7200, 'UTC')
      AND hour_start < toDateTime({until:UInt32}, 'UTC')
) AS published,
(
    SELECT arrayFilter(
        h -> h + 3600 <= {now:UInt32}
             AND hasAll(published, arrayFlatten(arrayMap(day -> arrayMap(back -> h - 86400 * day - back, [0, 3600, 7200]), range({days:UInt8} + 1)))),
        range(greatest({since:UInt32}, {until:UInt32} - 86400), {until:UInt32}, 3600))
) AS judged,
-- Of every hour, how many sent in it yesterday, and which of them in none of the three hours today. They are nearly
-- nobody: only their days are looked up.
(
    SELECT groupArray((hour_seconds, n, absent)) FROM (
        SELECT hour_seconds, count() AS n, groupArrayIf(chip, NOT hasAny(at, [hour_seconds, hour_seconds - 3600, hour_seconds - 7200])) AS absent
        FROM (
            SELECT chip_id AS chip, groupArray(toUnixTimestamp(hour_start)) AS at,
                   arrayJoin(arrayFilter(h -> has(at, h - 86400), judged)) AS hour_seconds
            FROM staging.hourly_telemetry
            WHERE hour_start IN (
                SELECT toDateTime(arrayJoin(arrayFlatten(arrayMap(h -> [h, h - 3600, h - 7200, h - 86400], judged))), 'UTC')
            )
            GROUP BY chip_id
        )
        GROUP BY hour_seconds
    )
) AS found,
(SELECT arrayDistinct(arrayFlatten(found.3))) AS suspects,
usual AS (
    SELECT chip_id AS chip, groupArray(toUnixTimestamp(hour_start)) AS at
    FROM staging.hourly_telemetry
    WHERE chip_id IN (SELECT arrayJoin(suspects)) AND hour_start IN (
        SELECT toDateTime(arrayJoin(judged) - 86400 * arrayJoin(range(1, {days:UInt8} + 1)) - arrayJoin([0, 3600, 7200]), 'UTC')
    )
    GROUP BY chip
),
excused AS (
    -- With the last hour of the window in which it is so: what the CRM says later explains what was silent before.
    SELECT n.chip AS chip, max(n.hour_seconds) AS last
    FROM (
        SELECT toUnixTimestamp(hour_start) AS hour_seconds, ifNull(chip_id, '') AS chip, customer_id,
               ownership = 'ended' OR prosthesis_status != 'active' AS out_of_use
        FROM staging.crm_customer_prosthesis
        WHERE hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
          AND chip_id IN (SELECT arrayJoin(suspects))
    ) AS n
    LEFT JOIN (
        SELECT toUnixTimestamp(hour_start) + 86400 * {days:UInt8} AS hour_seconds, ifNull(chip_id, '') AS chip, customer_id
        FROM staging.crm_customer_prosthesis
        WHERE hour_start >= toDateTime({since:UInt32} - 86400 * {days:UInt8}, 'UTC')
          AND hour_start < toDateTime({until:UInt32} - 86400 * {days:UInt8}, 'UTC')
          AND chip_id IN (SELECT arrayJoin(suspects))
    ) AS b ON b.hour_seconds = n.hour_seconds AND b.chip = n.chip
    WHERE n.out_of_use OR (b.chip = n.chip AND b.customer_id != n.customer_id)
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
