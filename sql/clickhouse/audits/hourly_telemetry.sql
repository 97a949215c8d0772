-- One look at the rows of telemetry: how many, their checksum, what mart and quarantine must hold of them together, and by
-- hour how many rows the claims on them may be about. Where there are none the claims hold; where there are some, each
-- claim's own query looks at the hours. A comparison with NULL is NULL, and so is what isn't there: no offence.
SELECT
    toUnixTimestamp(hour_start) AS hour_seconds, :readers_hour AS readers_hour, count() AS row_count, :checksum AS checksum,
    :accounting AS accounting,
    countIf(source_fault != '') + row_count - uniqExact(xxHash64(chip_id)) AS doubled_chips,
    countIf(
        toUnixTimestamp(hour_start) > {now:UInt32} + 300
        OR ifNull(updated_at > toDateTime64({now:UInt32} + 300, 6, 'UTC'), 0)
        OR ifNull(successful_movements > movements_count, 0)
        OR ifNull(NOT (movements_count >= 0 AND movements_count <= {counts_within_one_a_second_limit:UInt32}), 0)
        OR ifNull(NOT (successful_movements >= 0 AND successful_movements <= 4294967296), 0)
        OR ifNull(NOT (error_count >= 0 AND error_count <= {counts_within_one_a_second_limit:UInt32}), 0)
        OR ifNull(NOT (warning_count >= 0 AND warning_count <= {counts_within_one_a_second_limit:UInt32}), 0)
        OR ifNull(NOT (min_response_time >= 0 AND min_response_time <= 4294967296), 0)
        OR ifNull(NOT (max_response_time >= 0 AND max_response_time <= 4294967296), 0)
        OR ifNull(max_response_time > {response_times_plausible_limit:UInt32}, 0)
        OR ifNull(NOT (avg_response_time >= 0 AND avg_response_time <= 4294967296), 0)
        OR ifNull(NOT (success_rate >= 0 AND success_rate <= 100), 0)
        OR ifNull(NOT (avg_battery_level >= 0 AND avg_battery_level <= 100), 0)
        OR ifNull(NOT (min_battery_level >= 0 AND min_battery_level <= 100), 0)
        OR ifNull(NOT (max_battery_level >= 0 AND max_battery_level <= 100), 0)
        OR ifNull(NOT (avg_connection_quality >= 0 AND avg_connection_quality <= 100), 0)
        OR ifNull(NOT (isFinite(avg_myo_amplitude) AND avg_myo_amplitude >= 0), 0)
        OR ifNull(NOT (avg_actuator_temp >= {temperatures_plausible_low:Int32} AND avg_actuator_temp <= {temperatures_plausible_high:Int32}), 0)
        OR ifNull(NOT (max_actuator_temp >= {temperatures_plausible_low:Int32} AND max_actuator_temp <= {temperatures_plausible_high:Int32}), 0)
        OR ifNull(avg_response_time < min_response_time - 0.011 - abs(avg_response_time) * 1e-7, 0)
        OR ifNull(avg_response_time > max_response_time + 0.011 + abs(avg_response_time) * 1e-7, 0)
        OR ifNull(min_response_time > max_response_time, 0)
        OR ifNull(avg_battery_level < min_battery_level - 0.011 - abs(avg_battery_level) * 1e-7, 0)
        OR ifNull(avg_battery_level > max_battery_level + 0.011 + abs(avg_battery_level) * 1e-7, 0)
        OR ifNull(min_battery_level > max_battery_level, 0)
        OR ifNull(avg_actuator_temp > max_actuator_temp + 0.011 + abs(avg_actuator_temp) * 1e-7, 0)
    ) AS odd_values
FROM :rows
GROUP BY hour_seconds, readers_hour
