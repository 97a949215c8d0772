-- A count that is missing is NULL in telemetry, and 0 in the mart, where it can't be told from one.
WITH ifNull(successful_movements > if({zero_is_missing:UInt8}, nullIf(movements_count, 0), movements_count), 0) AS more
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(more) AS failed,
       groupArrayIf(5)(
           format('chip {}: {} of {} movements successful', chip_id,
                  toString(ifNull(successful_movements, 0)), toString(ifNull(movements_count, 0))), more) AS sample
FROM :rows
GROUP BY hour_seconds
