-- Rows that are set aside for what their source says twice, or of no whole hour, may be few. Where they are most of an hour
-- the source's view is to blame, and every row is in doubt; as it is where two rows are there and nobody has noticed.
SELECT hour_seconds, sum(n) AS checked, sum(faults) AS noticed,
       if(noticed > {share:Float64} * checked, noticed, 0) + countIf(n - faults > 1) AS failed,
       groupArrayIf(5)(format('chip {} has {} rows', chip_id, toString(n)), n > 1 OR faults > 0) AS sample
FROM (
    SELECT toUnixTimestamp(hour_start) AS hour_seconds, chip_id, count() AS n, countIf(source_fault != '') AS faults
    FROM :rows GROUP BY hour_seconds, chip_id
)
GROUP BY hour_seconds
