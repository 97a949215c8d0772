-- Whether the roll-up is there, and whether this user may call it.
SELECT to_regprocedure('telemetry.aggregate_hourly_stats(timestamptz)') IS NOT NULL AS there,
       coalesce(has_function_privilege(to_regprocedure('telemetry.aggregate_hourly_stats(timestamptz)'), 'EXECUTE'), false) AS granted
