-- Whether the upkeep of raw_telemetry is there and this user may run it. False, not null, where it isn't.
SELECT coalesce(has_function_privilege(to_regprocedure('telemetry.keep_raw_partitions()')::oid, 'EXECUTE'), false)
    AND has_schema_privilege('telemetry', 'USAGE')
