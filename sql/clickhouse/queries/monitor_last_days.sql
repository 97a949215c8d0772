SELECT report_date, count(DISTINCT user_id) AS users, sum(movements_count) AS total_movements, avg(avg_response_time) AS avg_response
FROM reports.user_prosthesis_stats GROUP BY report_date ORDER BY report_date DESC LIMIT 7
