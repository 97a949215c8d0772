WITH (isFinite(ifNull(avg_actuator_temp, 0)) AND ifNull(avg_actuator_temp, 0) NOT BETWEEN {low:Int32} AND {high:Int32})
     OR (isFinite(ifNull(max_actuator_temp, 0)) AND ifNull(max_actuator_temp, 0) NOT BETWEEN {low:Int32} AND {high:Int32}) AS odd
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(odd) AS failed,
       groupArrayIf(5)(format('chip {}: {} degrees on average, {} at most', chip_id,
                              toString(ifNull(avg_actuator_temp, 0)), toString(ifNull(max_actuator_temp, 0))), odd) AS sample
FROM :rows
GROUP BY hour_seconds
