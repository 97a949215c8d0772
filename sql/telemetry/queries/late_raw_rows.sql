-- Raw rows with numbers in an interval, per hour of a period, and per part of the interval as bounds cut it.
SELECT
    date_trunc('hour', "timestamp")::timestamptz AS hour,
    width_bucket(telemetry_id, :bounds::bigint[])::bigint AS part,
    count(*)::bigint AS row_count
FROM telemetry.raw_telemetry
WHERE telemetry_id > :above AND telemetry_id <= :to AND "timestamp" >= :first AND "timestamp" < :until
GROUP BY 1, 2
