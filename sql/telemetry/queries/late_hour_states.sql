-- The state of each of some hours in one short text: how many rows, and the sum of a hash of each row's chip, of
-- its hour_start, which may be of no whole hour, and of when it was last changed. A row that came, went or was changed makes another text; so do two stamps exchanged, or
-- that move by the same time in opposite directions, which a sum of the stamps wouldn't show. A hash takes every stamp,
-- also infinity and none, where arithmetic on microseconds fails; the sum of 64-bit hashes is numeric, and has no end.
-- PostgreSQL doesn't compute the columns of the view that aren't asked for, so the view costs no more than its table.
SELECT
    date_trunc('hour', hour_start)::timestamptz AS hour,
    count(*)::text || ':' ||
        sum(hash_array_extended(ARRAY[hour_start, updated_at], hashtextextended(coalesce(chip_id, ''), 0)))::text AS state
FROM telemetry.v_hourly_telemetry
JOIN unnest(:hours) AS asked (hour) ON hour_start >= asked.hour AND hour_start < asked.hour + interval '1 hour'
GROUP BY 1
