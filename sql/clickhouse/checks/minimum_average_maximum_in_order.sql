-- Averages are rounded to two decimals, and in the mart to the nearest Float32. A measurement that didn't happen is NULL in
-- telemetry, and 0 in the mart, where it can't be told from one.
WITH {zero_is_missing:UInt8} AS zeroes,
     [(if(zeroes, nullIf(toFloat64(min_response_time), 0), toFloat64(min_response_time)),
       if(zeroes, nullIf(toFloat64(avg_response_time), 0), toFloat64(avg_response_time)),
       if(zeroes, nullIf(toFloat64(max_response_time), 0), toFloat64(max_response_time))),
      (if(zeroes, nullIf(toFloat64(min_battery_level), 0), toFloat64(min_battery_level)),
       if(zeroes, nullIf(toFloat64(avg_battery_level), 0), toFloat64(avg_battery_level)),
       if(zeroes, nullIf(toFloat64(max_battery_level), 0), toFloat64(max_battery_level))),
      (CAST(NULL AS Nullable(Float64)),
       if(zeroes, nullIf(toFloat64(avg_actuator_temp), 0), toFloat64(avg_actuator_temp)),
       if(zeroes, nullIf(toFloat64(max_actuator_temp), 0), toFloat64(max_actuator_temp)))] AS triples,
     arrayFilter(
         t -> ifNull(t.2 < t.1 - 0.011 - abs(t.2) * 1e-7, 0) OR ifNull(t.2 > t.3 + 0.011 + abs(t.2) * 1e-7, 0)
              OR ifNull(t.1 > t.3, 0), triples) AS askew
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(notEmpty(askew)) AS failed,
       groupArrayIf(5)(
           format('chip {}: minimum {}, average {}, maximum {}', chip_id, ifNull(toString(askew[1].1), 'none'),
                  ifNull(toString(askew[1].2), 'none'), ifNull(toString(askew[1].3), 'none')),
           notEmpty(askew)) AS sample
FROM :rows
GROUP BY hour_seconds
