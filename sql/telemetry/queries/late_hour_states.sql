-- The state of each of some hours in one short text: how many rows, and the sum of when they were last changed,
-- in microseconds modulo a prime (a plain sum of a large hour exceeds 64 bits). extract/changes.py computes the
-- same of rows that were read. A row that came, went or was changed makes another text.
SELECT
    hour_start::timestamptz AS hour,
    count(*)::text || ':' ||
        coalesce(sum((date_part('epoch', updated_at) * 1000000)::bigint % 2147483647), 0)::bigint AS state
FROM telemetry.v_hourly_telemetry
WHERE hour_start = ANY (:hours)
GROUP BY hour_start
