-- Chips whose wearer the CRM did not name in the hour: the nearest answer was taken.
WITH countIf(ownership = 'assumed') AS assumed
SELECT toUnixTimestamp(hour_start) AS hour_seconds, countIf(ownership IN ('named', 'assumed', 'stated')) AS checked,
       if(assumed >= 3 AND assumed > {share:Float64} * checked, assumed, 0) AS failed,
       if(failed > 0, groupArrayIf(5)(format('chip {}', ifNull(chip_id, '')), ownership = 'assumed'), []) AS sample
FROM :rows
GROUP BY hour_start
