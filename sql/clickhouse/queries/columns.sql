-- The tables and views of some databases: the engine of each, and name, type and comment of its columns in order.
SELECT t.database, t.name, t.engine, c.columns
FROM system.tables AS t
INNER JOIN (
    SELECT database, table, arrayMap(c -> (c.2, c.3, c.4), arraySort(groupArray((position, name, type, comment)))) AS columns
    FROM system.columns
    WHERE database IN {databases:Array(String)}
    GROUP BY database, table
) AS c ON c.database = t.database AND c.table = t.name
WHERE t.database IN {databases:Array(String)}
