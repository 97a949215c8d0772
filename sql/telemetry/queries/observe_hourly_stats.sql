-- By the view, which everybody may read who may use this platform.
SELECT NULL::bigint AS row_count, max(updated_at)::timestamptz AS updated_at FROM telemetry.v_hourly_telemetry
