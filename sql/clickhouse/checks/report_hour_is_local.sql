WITH report_date != toDate(hour_start, {zone:String}) OR report_hour != toHour(hour_start, {zone:String}) AS askew
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked, countIf(askew) AS failed,
       groupArrayIf(5)(format('chip {}: {} at {}', chip_id, toString(report_date), toString(report_hour)), askew) AS sample
FROM :rows
GROUP BY hour_seconds
