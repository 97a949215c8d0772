SELECT argMax(customer_name, (report_date, report_hour)) AS customer_name
FROM reports.user_prosthesis_stats
WHERE user_id = {user:String}
GROUP BY user_id
