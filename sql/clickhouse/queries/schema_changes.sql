-- Of every file that was applied, what was applied last.
SELECT file, argMax(checksum, applied_at), argMax(breaking, applied_at), argMax(version, applied_at)
FROM storage.schema_changes
GROUP BY file
