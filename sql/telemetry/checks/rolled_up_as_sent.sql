-- Movements, errors and warnings of every chip and hour: counted in the raw rows, and as they are rolled up. Only hours
-- that are over, and whose raw rows are all kept or that were never rolled up; and not where a raw row came in during the
-- last quarter of an hour, which the next roll-up will count.
WITH raw AS (
    SELECT chip_id, date_trunc('hour', timestamp, 'UTC') AS hour_start, count(movement_type) AS movements,
           count(*) FILTER (WHERE movement_type IS NOT NULL AND movement_success) AS successful,
           count(error_code) AS errors, count(*) FILTER (WHERE warning_flags > 0) AS warnings,
           coalesce(max(created_at), '-infinity') AS newest
    FROM telemetry.raw_telemetry r
    WHERE timestamp >= :since AND timestamp < :until
      AND (NOT :once OR NOT EXISTS (
          SELECT FROM telemetry.raw_telemetry earlier
          WHERE earlier.chip_id = r.chip_id AND earlier.timestamp = r.timestamp AND earlier.telemetry_id < r.telemetry_id))
    GROUP BY 1, 2
),
stats AS (
    SELECT * FROM telemetry.hourly_stats
    WHERE hour_start >= :since AND hour_start < :until AND hour_start IN (SELECT hour_start FROM raw)
),
compared AS (
    SELECT hour_start, chip_id,
           coalesce(newest <= now() - interval '15 minutes', true)
           AND (raw.movements, raw.successful, raw.errors, raw.warnings)
           IS DISTINCT FROM (s.movements_count::bigint, s.successful_movements::bigint, s.error_count::bigint,
                             s.warning_count::bigint) AS differs
    FROM raw FULL JOIN stats s USING (hour_start, chip_id)
)
SELECT hour_start, count(*) AS checked, count(*) FILTER (WHERE differs) AS failed,
       (array_agg('chip ' || chip_id ORDER BY chip_id) FILTER (WHERE differs))[1:5] AS sample
FROM compared
WHERE hour_start + interval '1 hour' <= now() AND (hour_start >= :kept OR hour_start NOT IN (SELECT hour_start FROM stats))
GROUP BY hour_start
