-- By the view, which everybody may read who may use this platform. A stamp that can't be, like infinity, is passed
-- over: else it would hide every change after it.
SELECT NULL::bigint AS row_count, max(updated_at)::timestamptz AS updated_at
FROM telemetry.v_hourly_telemetry
WHERE updated_at BETWEEN '1900-01-01' AND statement_timestamp()
