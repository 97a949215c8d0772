-- One look at the rows of the mart: how many, their checksum, their part of the telemetry, and by hour how many rows the
-- claims on them may be about. That a row has a wearer who is in the CRM extract just so is looked up by a hash of all that
-- is said of both: a quarter of what a join costs that carries the names along.
WITH toFloat64(avg_response_time) AS response, toFloat64(avg_battery_level) AS battery,
     toFloat64(avg_actuator_temp) AS temperature, toFloat64(max_actuator_temp) AS hottest
SELECT
    toUnixTimestamp(hour_start) AS hour_seconds, :readers_hour AS readers_hour, count() AS row_count, :checksum AS checksum,
    sum(cityHash64(tuple(chip_id,
        toInt64(movements_count), toInt64(successful_movements), toInt64(error_count), toInt64(warning_count),
        toInt64(min_response_time), toInt64(max_response_time), toInt64(min_battery_level), toInt64(max_battery_level),
        success_rate, avg_response_time, avg_battery_level, avg_actuator_temp, max_actuator_temp,
        avg_connection_quality, avg_myo_amplitude))) AS accounting,
    row_count - uniqExact(cityHash64(prosthesis_id, chip_id)) AS doubled_prostheses,
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
    ) AS odd_values,
    countIf(
        cityHash64(tuple(hour_start, chip_id, toInt64(prosthesis_id), user_id, customer_name, customer_email,
                         toString(customer_region), customer_branch, prosthesis_model, toString(prosthesis_category),
                         prosthesis_serial))
        NOT IN (
            SELECT cityHash64(tuple(hour_start, assumeNotNull(chip_id), prosthesis_id, user_id, customer_full_name, email,
                                    toString(region), ifNull(branch, ''), ifNull(prosthesis_model, ''),
                                    ifNull(toString(prosthesis_category), ''), prosthesis_serial))
            FROM :crm
            WHERE ownership IN ('named', 'assumed', 'stated') AND chip_id IS NOT NULL
        )
    ) AS other_wearers
FROM :rows
GROUP BY hour_seconds, readers_hour
