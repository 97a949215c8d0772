SELECT hour_seconds, sum(n) AS checked, countIf(n > 1) AS failed,
       groupArrayIf(5)(format('chip {} has {} rows', chip_id, toString(n)), n > 1) AS sample
FROM (SELECT toUnixTimestamp(hour_start) AS hour_seconds, chip_id, count() AS n FROM :rows GROUP BY hour_seconds, chip_id)
GROUP BY hour_seconds
