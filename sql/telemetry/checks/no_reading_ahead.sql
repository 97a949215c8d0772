-- Readings stamped later than now: their hour isn't rolled up before it has come. A quarter of an hour is let pass. Told of
-- the window's last hour, with the chips.
SELECT date_trunc('hour', :until - interval '1 hour', 'UTC') AS hour_start,
       count(DISTINCT chip_id) + 1 AS checked, count(DISTINCT chip_id) AS failed,
       (array_agg(DISTINCT 'chip ' || left(chip_id, 65)))[1:5] AS sample
FROM telemetry.raw_telemetry
WHERE timestamp > now() + interval '15 minutes'
