WITH ifNull(updated_at, toDateTime64(0, 6, 'UTC')) AS stamp, stamp > toDateTime64({now:UInt32} + 300, 6, 'UTC') AS ahead
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(ahead) AS failed,
       groupArrayIf(5)(format('chip {}: changed at {}', chip_id, formatDateTime(stamp, '%F %T', 'UTC')), ahead) AS sample
FROM :rows
GROUP BY hour_seconds
