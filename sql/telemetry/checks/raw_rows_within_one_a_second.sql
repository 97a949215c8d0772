WITH counted AS (
    SELECT chip_id, date_trunc('hour', timestamp, 'UTC') AS hour_start, count(*) AS n
    FROM telemetry.raw_telemetry
    WHERE timestamp >= :since AND timestamp < :until
    GROUP BY 1, 2
)
SELECT hour_start, count(*) AS checked, count(*) FILTER (WHERE n > :limit) AS failed,
       (array_agg(format('chip %s: %s rows', chip_id, n) ORDER BY n DESC) FILTER (WHERE n > :limit))[1:5] AS sample
FROM counted
GROUP BY hour_start
