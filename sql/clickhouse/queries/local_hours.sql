-- The local dates and hours that rows of some hours are stored under, whoever published them.
SELECT DISTINCT report_date, report_hour
FROM :storage
WHERE report_date BETWEEN toDate(toDateTime({first:UInt32}, 'UTC')) - 1 AND toDate(toDateTime({last:UInt32}, 'UTC')) + 1
  AND has({hours:Array(UInt32)}, toUnixTimestamp(hour_start))
