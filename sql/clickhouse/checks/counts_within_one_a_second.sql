-- About one row a second: none of what is counted can exceed the seconds of an hour by much.
WITH greatest(ifNull(movements_count, 0), ifNull(error_count, 0), ifNull(warning_count, 0)) AS most
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(most > {limit:UInt32}) AS failed,
       groupArrayIf(5)(format('chip {}: a count of {}', chip_id, toString(most)), most > {limit:UInt32}) AS sample
FROM :rows
GROUP BY hour_seconds
