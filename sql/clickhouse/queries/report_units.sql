-- Prosthesis by prosthesis, those with the most errors first; of one patient, or of everybody if the login is empty.
SELECT prosthesis_id,
       argMax(prosthesis_model, report_date) AS model,
       argMax(prosthesis_category, report_date) AS category,
       argMax(prosthesis_serial, report_date) AS serial,
       min(report_date) AS first_date,
       max(report_date) AS last_date,
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
GROUP BY prosthesis_id
ORDER BY errors DESC, movements DESC, prosthesis_id
LIMIT {most:UInt32}
