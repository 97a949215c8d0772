-- In the hour in which a prosthesis gets another chip it has a row for each of the two.
SELECT hour_seconds, sum(n) AS checked, countIf(n > 1) AS failed,
       groupArrayIf(5)(format('prosthesis {} with chip {} has {} rows', toString(prosthesis_id), chip_id, toString(n)), n > 1) AS sample
FROM (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds, prosthesis_id, chip_id, count() AS n
    FROM :rows
    GROUP BY hour_seconds, prosthesis_id, chip_id
)
GROUP BY hour_seconds
