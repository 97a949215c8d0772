SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(NOT no_wearer) AS failed,
       groupArrayIf(5)(format('chip {}: {}', chip_id, reason), NOT no_wearer) AS sample
FROM :rows
GROUP BY hour_seconds
