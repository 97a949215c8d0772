-- Readings of a chip that were delivered more than once, after a reconnect: the roll-up counts each, unless rollup_rules says
-- otherwise. Of the last three hours of a window only, which is what a refresh loads: telling instants apart costs a sort of all rows.
WITH counted AS (
    SELECT chip_id, date_trunc('hour', timestamp, 'UTC') AS hour_start, count(*) - count(DISTINCT timestamp) AS again
    FROM telemetry.raw_telemetry
    WHERE timestamp >= greatest(:since, :until - interval '3 hours') AND timestamp < :until
    GROUP BY 1, 2
)
SELECT hour_start, count(*) AS checked, count(*) FILTER (WHERE again > 0) AS failed,
       (array_agg(format('chip %s: %s rows', chip_id, again) ORDER BY again DESC, chip_id) FILTER (WHERE again > 0))[1:5] AS sample
FROM counted
GROUP BY hour_start
