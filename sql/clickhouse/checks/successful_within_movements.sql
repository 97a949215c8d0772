SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked,
       countIf(ifNull(successful_movements > movements_count, 0)) AS failed,
       groupArrayIf(5)(
           format('chip {}: {} of {} movements successful', chip_id,
                  toString(ifNull(successful_movements, 0)), toString(ifNull(movements_count, 0))),
           ifNull(successful_movements > movements_count, 0)) AS sample
FROM :rows
GROUP BY hour_seconds
