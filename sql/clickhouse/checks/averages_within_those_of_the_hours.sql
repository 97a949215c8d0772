-- A weighted mean lies between the lowest and the highest of what it is the mean of; an average of anything else, or one
-- that took hours without a measurement for 0, mostly doesn't. The slack is that of the mart's Float32.
WITH hours AS (
    SELECT toDate(h.hour_start, {zone:String}) AS day, user_id, prosthesis_id,
           countIf(max_response_time > 0 AND movements_count > 0) AS timed_n,
           minIf(avg_response_time, max_response_time > 0 AND movements_count > 0) AS response_low,
           maxIf(avg_response_time, max_response_time > 0 AND movements_count > 0) AS response_high,
           countIf(max_battery_level > 0) AS battery_n,
           minIf(avg_battery_level, max_battery_level > 0) AS battery_low,
           maxIf(avg_battery_level, max_battery_level > 0) AS battery_high,
           countIf(avg_connection_quality > 0) AS connection_n,
           minIf(avg_connection_quality, avg_connection_quality > 0) AS connection_low,
           maxIf(avg_connection_quality, avg_connection_quality > 0) AS connection_high
    FROM :hours AS h
    GROUP BY day, user_id, prosthesis_id
),
judged AS (
    SELECT d.report_date AS day, d.prosthesis_id AS prosthesis_id,
           arrayFilter(c -> c.2 != '', [
               (1, if(ifNull(d.success_rate, 0) BETWEEN 0 AND 100 AND isNull(d.success_rate) = (d.movements_count = 0), '', 'success_rate')),
               (1, if(isNull(d.avg_response_time) = (h.timed_n = 0) AND (h.timed_n = 0 OR
                   ifNull(d.avg_response_time, -1) BETWEEN h.response_low - 1e-5 * abs(h.response_low) AND h.response_high + 1e-5 * abs(h.response_high)),
                   '', 'avg_response_time')),
               (1, if(isNull(d.avg_battery_level) = (h.battery_n = 0) AND (h.battery_n = 0 OR
                   ifNull(d.avg_battery_level, -1) BETWEEN h.battery_low - 1e-3 AND h.battery_high + 1e-3), '', 'avg_battery_level')),
               (1, if(isNull(d.avg_connection_quality) = (h.connection_n = 0) AND (h.connection_n = 0 OR
                   ifNull(d.avg_connection_quality, -1) BETWEEN h.connection_low - 1e-3 AND h.connection_high + 1e-3), '', 'avg_connection_quality'))
           ]) AS wrong
    FROM reports.user_daily_stats AS d
    INNER JOIN hours AS h ON h.day = d.report_date AND h.user_id = d.user_id AND h.prosthesis_id = d.prosthesis_id
    WHERE d.report_date BETWEEN {first_day:Date} AND {last_day:Date}
)
SELECT day, count() AS checked, countIf(notEmpty(wrong)) AS failed,
       groupArrayIf(5)(format('prosthesis {}: {}', toString(prosthesis_id), arrayStringConcat(arrayMap(c -> c.2, wrong), ', ')),
                       notEmpty(wrong)) AS sample
FROM judged
GROUP BY day
