SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(ownership = 'contested') AS failed,
       groupArrayIf(5)(format('chip {} is on prosthesis {} and others', ifNull(chip_id, ''), toString(prosthesis_id)),
                       ownership = 'contested') AS sample
FROM :rows
GROUP BY hour_seconds
