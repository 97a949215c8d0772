-- By hour of the day; of one patient, or of everybody if the login is empty; of one prosthesis, or of all if its number
-- is 0. Movements also without the hours that are there in part, or may be.
SELECT report_hour,
       count() AS hours,
       sum(toUInt64(movements_count)) AS movements,
       sum(toUInt64(successful_movements)) AS successful,
       sumIf(toFloat64(avg_response_time) * movements_count, max_response_time > 0) AS response_sum,
       sumIf(toUInt64(movements_count), max_response_time > 0) AS timed,
       minOrNullIf(min_battery_level, max_battery_level > 0) AS min_battery,
       sumIf(toFloat64(avg_battery_level), max_battery_level > 0) AS battery_sum,
       countIf(max_battery_level > 0) AS battery_hours,
       maxOrNullIf(max_actuator_temp, max_actuator_temp != 0 OR avg_actuator_temp != 0) AS max_temp,
       sum(toUInt64(error_count)) AS errors,
       sum(toUInt64(warning_count)) AS warnings,
       sumIf(toFloat64(avg_connection_quality), avg_connection_quality > 0) AS connection_sum,
       countIf(avg_connection_quality > 0) AS connection_hours,
       sumIf(toUInt64(movements_count), report_date >= {kept_from:Date}
             AND (report_date, report_hour) NOT IN {in_part:Array(Tuple(Date, UInt8))}) AS whole_movements
FROM reports.user_prosthesis_stats
WHERE report_date BETWEEN {first_day:Date} AND {last_day:Date} AND ({user:String} = '' OR user_id = {user:String})
  AND ({unit:UInt64} = 0 OR prosthesis_id = {unit:UInt64})
GROUP BY report_hour
ORDER BY report_hour
