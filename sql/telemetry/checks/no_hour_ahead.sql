-- Rows of hours that haven't begun, or of no hour that there is: they are in nobody's report, and the hour that they were
-- measured in lacks them. A day back, for what there is to compare with.
SELECT count(*)::bigint AS checked, count(*) FILTER (WHERE ahead)::bigint AS failed,
       (array_agg('chip ' || left(chip_id, 65) || ' at ' || hour_start ORDER BY chip_id) FILTER (WHERE ahead))[1:5] AS sample
FROM (
    SELECT chip_id, hour_start, hour_start > now() + interval '5 minutes' AS ahead
    FROM telemetry.v_hourly_telemetry
    WHERE hour_start > now() - interval '1 day'
) AS recent
