-- The averages once more, from the hours and by ClickHouse's own functions: movements weigh response times, hours weigh
-- levels, what wasn't measured weighs nothing. The slack is that of adding up reals in another order. Weights are reals:
-- with whole numbers for weights, avgWeighted of ClickHouse 26.9 cuts off what the values have behind the point.
WITH hours AS (
    SELECT toDate(h.hour_start, {zone:String}) AS day, user_id, prosthesis_id,
           sum(toUInt64(successful_movements)) AS successful,
           sum(toUInt64(movements_count)) AS movements,
           avgWeightedIf(toFloat64(avg_response_time), toFloat64(movements_count), max_response_time > 0) AS response,
           avgIf(toFloat64(avg_battery_level), max_battery_level > 0) AS battery,
           avgIf(toFloat64(avg_connection_quality), avg_connection_quality > 0) AS connection
    FROM :hours AS h
    GROUP BY day, user_id, prosthesis_id
),
compared AS (
    -- NaN is what these functions say without a weight; 0 and 0 differ by nothing.
    SELECT d.report_date AS day, d.prosthesis_id AS prosthesis_id,
           [('success_rate', d.success_rate, if(h.movements = 0, NULL, 100 * h.successful / h.movements)),
            ('avg_response_time', d.avg_response_time, if(isNaN(h.response), NULL, h.response)),
            ('avg_battery_level', d.avg_battery_level, if(isNaN(h.battery), NULL, h.battery)),
            ('avg_connection_quality', d.avg_connection_quality, if(isNaN(h.connection), NULL, h.connection))] AS averages,
           arrayMap(a -> a.1, arrayFilter(
               a -> isNull(a.2) != isNull(a.3) OR NOT ifNull(abs(a.2 - a.3) <= 1e-6 * greatest(abs(a.3), 1), 1), averages)) AS wrong
    FROM reports.user_daily_stats AS d
    INNER JOIN hours AS h ON h.day = d.report_date AND h.user_id = d.user_id AND h.prosthesis_id = d.prosthesis_id
    WHERE d.report_date BETWEEN {first_day:Date} AND {last_day:Date}
)
SELECT day, count() AS checked, countIf(notEmpty(wrong)) AS failed,
       groupArrayIf(5)(format('prosthesis {}: {}', toString(prosthesis_id), arrayStringConcat(wrong, ', ')), notEmpty(wrong)) AS sample
FROM compared
GROUP BY day
