-- The name under which other transactions can see just what this one sees.
SELECT pg_export_snapshot()
