-- From when to when there is telemetry at all; of one patient, or of everybody if the login is empty.
SELECT uniqExact(report_date) AS days, min(report_date) AS first_date, max(report_date) AS last_date
FROM reports.user_prosthesis_stats
WHERE {user:String} = '' OR user_id = {user:String}
