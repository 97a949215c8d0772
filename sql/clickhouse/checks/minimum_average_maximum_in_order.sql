-- 0 is a measurement that didn't happen. Averages are rounded to two decimals, and in the mart to the nearest Float32.
WITH 0.011 AS rounding,
     [(toFloat64(ifNull(min_response_time, 0)), toFloat64(ifNull(avg_response_time, 0)), toFloat64(ifNull(max_response_time, 0))),
      (toFloat64(ifNull(min_battery_level, 0)), toFloat64(ifNull(avg_battery_level, 0)), toFloat64(ifNull(max_battery_level, 0))),
      (0., toFloat64(ifNull(avg_actuator_temp, 0)), toFloat64(ifNull(max_actuator_temp, 0)))] AS triples,
     arrayFilter(t -> (t.1 > 0 AND t.2 > 0 AND t.2 < t.1 - rounding) OR (t.2 > 0 AND t.3 > 0 AND t.2 > t.3 + rounding)
                      OR (t.1 > 0 AND t.3 > 0 AND t.1 > t.3), triples) AS askew
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(notEmpty(askew)) AS failed,
       groupArrayIf(5)(
           format('chip {}: minimum {}, average {}, maximum {}', chip_id,
                  toString(askew[1].1), toString(askew[1].2), toString(askew[1].3)),
           notEmpty(askew)) AS sample
FROM :rows
GROUP BY hour_seconds
