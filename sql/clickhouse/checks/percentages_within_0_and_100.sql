WITH ['success_rate', 'avg_battery_level', 'min_battery_level', 'max_battery_level', 'avg_connection_quality'] AS names,
     arrayFilter(
         p -> NOT (p.2 >= 0 AND p.2 <= 100),
         arrayZip(names, [toFloat64(ifNull(success_rate, 0)), toFloat64(ifNull(avg_battery_level, 0)),
                          toFloat64(ifNull(min_battery_level, 0)), toFloat64(ifNull(max_battery_level, 0)),
                          toFloat64(ifNull(avg_connection_quality, 0))])) AS outside
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(notEmpty(outside)) AS failed,
       groupArrayIf(5)(format('chip {}: {} is {}', chip_id, outside[1].1, toString(outside[1].2)), notEmpty(outside)) AS sample
FROM :rows
GROUP BY hour_seconds
