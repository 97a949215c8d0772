-- What stands in the databases that this project uses, whoever made it.
SELECT database || '.' || name AS full_name, engine, comment
FROM system.tables
WHERE database IN ('reports', 'staging', 'storage', 'quarantine')
