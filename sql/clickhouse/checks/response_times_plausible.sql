SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked,
       countIf(ifNull(max_response_time, 0) > {limit:UInt32}) AS failed,
       groupArrayIf(5)(format('chip {}: {} ms', chip_id, toString(ifNull(max_response_time, 0))),
                       ifNull(max_response_time, 0) > {limit:UInt32}) AS sample
FROM :rows
GROUP BY hour_seconds
