-- Telemetry = mart + quarantine, hour by hour, by the sum of a hash of the chip and every number, as the mart has them:
-- nothing is lost, doubled or altered where the sums are equal. Sums of UInt64 wrap, on both sides alike.
WITH sides AS (
    SELECT 'telemetry' AS side, toUnixTimestamp(hour_start) AS hour_seconds, count() AS n,
           sum(cityHash64(tuple(chip_id,
               ifNull(movements_count, 0), ifNull(successful_movements, 0), ifNull(error_count, 0), ifNull(warning_count, 0),
               ifNull(min_response_time, 0), ifNull(max_response_time, 0), ifNull(min_battery_level, 0),
               ifNull(max_battery_level, 0), toFloat32(ifNull(success_rate, 0)), toFloat32(ifNull(avg_response_time, 0)),
               toFloat32(ifNull(avg_battery_level, 0)), toFloat32(ifNull(avg_actuator_temp, 0)),
               toFloat32(ifNull(max_actuator_temp, 0)), toFloat32(ifNull(avg_connection_quality, 0)),
               toFloat32(ifNull(avg_myo_amplitude, 0))))) AS total
    FROM :telemetry
    GROUP BY hour_seconds
    UNION ALL
    SELECT 'rejected', toUnixTimestamp(hour_start) AS hour_seconds, count(),
           sum(cityHash64(tuple(chip_id,
               ifNull(movements_count, 0), ifNull(successful_movements, 0), ifNull(error_count, 0), ifNull(warning_count, 0),
               ifNull(min_response_time, 0), ifNull(max_response_time, 0), ifNull(min_battery_level, 0),
               ifNull(max_battery_level, 0), toFloat32(ifNull(success_rate, 0)), toFloat32(ifNull(avg_response_time, 0)),
               toFloat32(ifNull(avg_battery_level, 0)), toFloat32(ifNull(avg_actuator_temp, 0)),
               toFloat32(ifNull(max_actuator_temp, 0)), toFloat32(ifNull(avg_connection_quality, 0)),
               toFloat32(ifNull(avg_myo_amplitude, 0)))))
    FROM :rejected
    GROUP BY hour_seconds
    UNION ALL
    SELECT 'mart', toUnixTimestamp(hour_start) AS hour_seconds, count(),
           sum(cityHash64(tuple(chip_id,
               toInt64(movements_count), toInt64(successful_movements), toInt64(error_count), toInt64(warning_count),
               toInt64(min_response_time), toInt64(max_response_time), toInt64(min_battery_level), toInt64(max_battery_level),
               success_rate, avg_response_time, avg_battery_level, avg_actuator_temp, max_actuator_temp,
               avg_connection_quality, avg_myo_amplitude)))
    FROM :rows
    GROUP BY hour_seconds
)
SELECT hour_seconds, sumIf(n, side = 'telemetry') AS checked, sumIf(n, side = 'mart') AS checked_numbers_as_measured,
       toUInt64(sumIf(n, side != 'telemetry') != checked OR sumIf(total, side != 'telemetry') != sumIf(total, side = 'telemetry'))
       AS suspects
FROM sides
GROUP BY hour_seconds
