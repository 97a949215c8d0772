-- Day by day, as sums and weights: of one patient, or of everybody if the login is empty;
-- of one prosthesis, or of all if its number is 0.
SELECT report_date,
       count() AS n,
       uniqExact(user_id) AS users,
       uniqExact(prosthesis_id) AS prostheses,
       uniqExactIf(prosthesis_id, d.min_battery_level < 10) AS low_battery,
       sum(toUInt64(hours_active)) AS hours,
       sum(movements_count) AS movements,
       sum(successful_movements) AS successful,
       sum(ifNull(avg_response_time * timed_movements, 0)) AS response_sum,
       sum(timed_movements) AS timed,
       min(d.min_battery_level) AS min_battery,
       sum(ifNull(avg_battery_level * d.battery_hours, 0)) AS battery_sum,
       sum(d.battery_hours) AS battery_hours,
       max(max_actuator_temp) AS max_temp,
       sum(error_count) AS errors,
       sum(warning_count) AS warnings,
       sum(ifNull(avg_connection_quality * d.connection_hours, 0)) AS connection_sum,
       sum(d.connection_hours) AS connection_hours
FROM reports.user_daily_stats AS d
WHERE report_date BETWEEN {first_day:Date} AND {last_day:Date} AND ({user:String} = '' OR user_id = {user:String})
  AND ({unit:UInt64} = 0 OR prosthesis_id = {unit:UInt64})
GROUP BY report_date
ORDER BY report_date
