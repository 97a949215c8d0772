-- The newest raw row. Its number comes from a sequence: a smaller one may still be on its way in another transaction.
SELECT coalesce(max(telemetry_id), 0)::bigint AS telemetry_id FROM telemetry.raw_telemetry
