-- Every number of a row is that of the telemetry: 0 for a measurement that didn't happen, reals as the nearest Float32.
WITH (m.movements_count, m.successful_movements, m.error_count, m.warning_count, m.min_response_time, m.max_response_time,
     m.min_battery_level, m.max_battery_level, m.success_rate, m.avg_response_time, m.avg_battery_level,
     m.avg_actuator_temp, m.max_actuator_temp, m.avg_connection_quality, m.avg_myo_amplitude)
    != (ifNull(t.movements_count, 0), ifNull(t.successful_movements, 0), ifNull(t.error_count, 0), ifNull(t.warning_count, 0),
        ifNull(t.min_response_time, 0), ifNull(t.max_response_time, 0), ifNull(t.min_battery_level, 0),
        ifNull(t.max_battery_level, 0), toFloat32(ifNull(t.success_rate, 0)), toFloat32(ifNull(t.avg_response_time, 0)),
        toFloat32(ifNull(t.avg_battery_level, 0)), toFloat32(ifNull(t.avg_actuator_temp, 0)),
        toFloat32(ifNull(t.max_actuator_temp, 0)), toFloat32(ifNull(t.avg_connection_quality, 0)),
        toFloat32(ifNull(t.avg_myo_amplitude, 0))) AS differs
SELECT toUnixTimestamp(m.hour_start) AS hour_seconds, count() AS checked, countIf(differs) AS failed,
       groupArrayIf(5)(format('chip {}', m.chip_id), differs) AS sample
FROM :rows AS m INNER JOIN :telemetry AS t ON t.hour_start = m.hour_start AND t.chip_id = m.chip_id
GROUP BY hour_seconds
