SELECT user_id, report_date, count() AS hours, sum(movements_count) AS total_movements
FROM reports.user_prosthesis_stats WHERE report_date = today()
GROUP BY user_id, report_date ORDER BY total_movements DESC
