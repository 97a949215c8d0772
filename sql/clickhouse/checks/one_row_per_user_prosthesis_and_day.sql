SELECT day, count() AS checked, countIf(n > 1) AS failed,
       groupArrayIf(5)(format('prosthesis {} has {} rows', toString(prosthesis_id), toString(n)), n > 1) AS sample
FROM (
    SELECT report_date AS day, user_id, prosthesis_id, count() AS n
    FROM reports.user_daily_stats
    WHERE report_date BETWEEN {first_day:Date} AND {last_day:Date}
    GROUP BY day, user_id, prosthesis_id
)
GROUP BY day
