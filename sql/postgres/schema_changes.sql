-- Of every file that was applied to a schema, what was applied last.
SELECT DISTINCT ON (file) file, checksum, breaking, version FROM {schema}.schema_changes ORDER BY file, applied_at DESC
