-- What mart and quarantine must hold together of a row of telemetry, as one number: the sum of the hashes of rows has no
-- order. The mart has 0 where telemetry has nothing, and averages of 32 bits.
sum(cityHash64(tuple(chip_id,
    ifNull(movements_count, 0), ifNull(successful_movements, 0), ifNull(error_count, 0), ifNull(warning_count, 0),
    ifNull(min_response_time, 0), ifNull(max_response_time, 0), ifNull(min_battery_level, 0),
    ifNull(max_battery_level, 0), toFloat32(ifNull(success_rate, 0)), toFloat32(ifNull(avg_response_time, 0)),
    toFloat32(ifNull(avg_battery_level, 0)), toFloat32(ifNull(avg_actuator_temp, 0)),
    toFloat32(ifNull(max_actuator_temp, 0)), toFloat32(ifNull(avg_connection_quality, 0)),
    toFloat32(ifNull(avg_myo_amplitude, 0)))))
