SELECT has_function_privilege('pg_export_snapshot()', 'EXECUTE')
