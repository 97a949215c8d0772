-- Rows of the mart that any of its claims on single values could find: each claim's own query looks at them then.
WITH toFloat64(avg_response_time) AS response, toFloat64(avg_battery_level) AS battery,
     toFloat64(avg_actuator_temp) AS temperature, toFloat64(max_actuator_temp) AS hottest
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked,
       countIf(
           report_date != toDate(hour_start, {report_hour_is_local_zone:String})
           OR report_hour != toHour(hour_start, {report_hour_is_local_zone:String})
           OR empty(trimBoth(user_id)) OR empty(trimBoth(customer_name))
           OR toUnixTimestamp(hour_start) > {now:UInt32} + 300
           OR (successful_movements > movements_count AND movements_count != 0)
           OR NOT (success_rate >= 0 AND success_rate <= 100) OR NOT (battery >= 0 AND battery <= 100)
           OR min_battery_level > 100 OR max_battery_level > 100
           OR NOT (avg_connection_quality >= 0 AND avg_connection_quality <= 100)
           OR NOT (response >= 0 AND response <= 4294967296) OR NOT isFinite(temperature) OR NOT isFinite(hottest)
           OR NOT (isFinite(avg_myo_amplitude) AND avg_myo_amplitude >= 0)
           OR (response != 0 AND min_response_time != 0 AND response < min_response_time - 0.011 - response * 1e-7)
           OR (response != 0 AND max_response_time != 0 AND response > max_response_time + 0.011 + response * 1e-7)
           OR (max_response_time != 0 AND min_response_time > max_response_time)
           OR (battery != 0 AND min_battery_level != 0 AND battery < min_battery_level - 0.011 - battery * 1e-7)
           OR (battery != 0 AND max_battery_level != 0 AND battery > max_battery_level + 0.011 + battery * 1e-7)
           OR (max_battery_level != 0 AND min_battery_level > max_battery_level)
           OR (temperature != 0 AND hottest != 0 AND temperature > hottest + 0.011 + abs(temperature) * 1e-7)
       ) AS suspects
FROM :rows
GROUP BY hour_seconds
