-- Rows that are set aside for what their source says twice, or of no whole hour, may be few. Where they are most of all hours
-- that are looked at, the source's view is to blame, and every row is in doubt; as it is where two rows are there and nobody
-- has noticed. Of all hours together: at night two chips may be all that an hour has.
SELECT hour_seconds, checked, noticed,
       if(sum(noticed) OVER () > {share:Float64} * sum(checked) OVER (), noticed, 0) + unnoticed AS failed, sample
FROM (
    SELECT hour_seconds, sum(n) AS checked, sum(faults) AS noticed, countIf(n - faults > 1) AS unnoticed,
           groupArrayIf(5)(format('chip {} has {} rows', chip_id, toString(n)), n > 1 OR faults > 0) AS sample
    FROM (
        SELECT toUnixTimestamp(hour_start) AS hour_seconds, chip_id, count() AS n, countIf(source_fault != '') AS faults
        FROM :rows GROUP BY hour_seconds, chip_id
    )
    GROUP BY hour_seconds
)
