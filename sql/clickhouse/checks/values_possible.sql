-- Neither negative, except for temperatures, nor infinite, nor not a number. The largest UInt32 is 2^32 as a Float32.
WITH ['movements_count', 'successful_movements', 'error_count', 'warning_count', 'min_response_time', 'max_response_time',
      'avg_response_time'] AS names,
     arrayFilter(
         p -> NOT (p.2 >= 0 AND p.2 <= 4294967296),
         arrayZip(names, [toFloat64(ifNull(movements_count, 0)), toFloat64(ifNull(successful_movements, 0)),
                          toFloat64(ifNull(error_count, 0)), toFloat64(ifNull(warning_count, 0)),
                          toFloat64(ifNull(min_response_time, 0)), toFloat64(ifNull(max_response_time, 0)),
                          toFloat64(ifNull(avg_response_time, 0))])) AS impossible,
     arrayFilter(
         p -> NOT isFinite(p.2) OR (p.1 = 'avg_myo_amplitude' AND p.2 < 0),
         [('avg_actuator_temp', toFloat64(ifNull(avg_actuator_temp, 0))),
          ('max_actuator_temp', toFloat64(ifNull(max_actuator_temp, 0))),
          ('avg_myo_amplitude', toFloat64(ifNull(avg_myo_amplitude, 0)))]) AS no_numbers,
     arrayConcat(impossible, no_numbers) AS found
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(notEmpty(found)) AS failed,
       groupArrayIf(5)(format('chip {}: {} is {}', chip_id, found[1].1, toString(found[1].2)), notEmpty(found)) AS sample
FROM :rows
GROUP BY hour_seconds
