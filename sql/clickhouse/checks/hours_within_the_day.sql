-- 23 or 25 hours where clocks change; in a zone whose clocks change by half an hour, the whole hours that begin in the day.
WITH intDiv(toUnixTimestamp(toDateTime(report_date + 1, {zone:String})) + 3599, 3600)
     - intDiv(toUnixTimestamp(toDateTime(report_date, {zone:String})) + 3599, 3600) AS hours_of_day
SELECT report_date AS day, count() AS checked, countIf(hours_active > hours_of_day OR hours_active = 0) AS failed,
       groupArrayIf(5)(format('prosthesis {}: {} hours of {}', toString(prosthesis_id), toString(hours_active), toString(hours_of_day)),
                       hours_active > hours_of_day OR hours_active = 0) AS sample
FROM reports.user_daily_stats
WHERE report_date BETWEEN {first_day:Date} AND {last_day:Date}
GROUP BY day
