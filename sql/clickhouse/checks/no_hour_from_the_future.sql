WITH toUnixTimestamp(hour_start) > {now:UInt32} + 300 AS ahead
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(ahead) AS failed,
       groupArrayIf(5)(format('chip {}: the hour {}', chip_id, formatDateTime(hour_start, '%F %T', 'UTC')), ahead) AS sample
FROM :rows
GROUP BY hour_seconds
