SELECT
    user_id,
    customer_name AS customer,
    prosthesis_id AS prosthesis,
    report_date AS date,
    report_hour AS hour,
    movements_count AS movements,
    toUInt8(round(success_rate)) AS `success, %`,
    toUInt32(round(avg_response_time)) AS `response, ms`
FROM reports.user_prosthesis_stats
ORDER BY report_date DESC, report_hour DESC, movements_count DESC
LIMIT 8
