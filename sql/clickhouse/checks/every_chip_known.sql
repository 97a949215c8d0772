-- Telemetry that found no wearer, against all telemetry of the hour.
WITH lost AS (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS n, groupArray(5)(format('chip {}: {}', chip_id, reason)) AS chips
    FROM :rows WHERE no_wearer GROUP BY hour_seconds
),
everything AS (SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS n FROM :telemetry GROUP BY hour_seconds)
SELECT e.hour_seconds AS hour_seconds, e.n AS checked, if(l.n > {share:Float64} * e.n AND l.n >= {least:UInt32}, l.n, 0) AS failed,
       if(failed > 0, l.chips, []) AS sample
FROM everything AS e LEFT JOIN lost AS l ON l.hour_seconds = e.hour_seconds
