-- Telemetry that found no wearer, against all telemetry of the hour. Not in the hour in which the CRM stopped naming the
-- wearer: the prosthesis may have sent before that.
WITH lost AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS n, groupArray(5)(format('chip {}: {}', chip_id, reason)) AS chips
    FROM :rows
    WHERE no_wearer AND (hour_start, chip_id) NOT IN (
        SELECT hour_start, ifNull(chip_id, '') FROM :crm
        WHERE ownership = 'ended' AND ended_at IS NOT NULL AND assumeNotNull(ended_at) >= hour_start
    )
    GROUP BY hour_seconds
),
everything AS (SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS n FROM :telemetry GROUP BY hour_seconds)
SELECT e.hour_seconds AS hour_seconds, e.n AS checked, if(l.n > {share:Float64} * e.n AND l.n >= {least:UInt32}, l.n, 0) AS failed,
       if(failed > 0, l.chips, []) AS sample
FROM everything AS e LEFT JOIN lost AS l ON l.hour_seconds = e.hour_seconds
