-- What stands in this project's databases, whoever made it, and what copies or keeps rows of them elsewhere.
SELECT database || '.' || name AS full_name, engine, create_table_query
FROM system.tables
WHERE database IN {databases:Array(String)}
   OR (engine IN ('MaterializedView', 'Dictionary', 'WindowView')
       AND match(create_table_query, '\\b(storage|staging|reports|quarantine)`?\\.'))
ORDER BY full_name
