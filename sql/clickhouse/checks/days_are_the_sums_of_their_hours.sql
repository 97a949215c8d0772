-- The day of an hour is found from its UTC hour, and not from the date that its row carries: rows that were loaded under
-- another report time zone are found too.
WITH both AS (
    SELECT report_date AS day, user_id, prosthesis_id, 1 AS of_day, toInt64(hours_active) AS hours,
           toInt64(movements_count) AS movements, toInt64(successful_movements) AS successful,
           toInt64(error_count) AS errors, toInt64(warning_count) AS warnings
    FROM reports.user_daily_stats
    WHERE report_date BETWEEN {first_day:Date} AND {last_day:Date}
    UNION ALL
    SELECT toDate(h.hour_start, {zone:String}) AS day, user_id, prosthesis_id, -1, -toInt64(uniqExact(h.hour_start)),
           -toInt64(sum(movements_count)), -toInt64(sum(successful_movements)), -toInt64(sum(error_count)),
           -toInt64(sum(warning_count))
    FROM :hours AS h
    GROUP BY day, user_id, prosthesis_id
),
differences AS (
    SELECT day, user_id, prosthesis_id,
           sum(of_day) != 0 OR sum(b.hours) != 0 OR sum(b.movements) != 0 OR sum(b.successful) != 0 OR sum(b.errors) != 0
               OR sum(b.warnings) != 0 AS differs,
           sum(b.hours) AS hours_off, sum(b.movements) AS movements_off
    FROM both AS b
    GROUP BY day, user_id, prosthesis_id
)
SELECT day, count() AS checked, countIf(differs) AS failed,
       groupArrayIf(5)(format('prosthesis {}: {} hours and {} movements too many', toString(prosthesis_id),
                              toString(hours_off), toString(movements_off)), differs) AS sample
FROM differences
GROUP BY day
