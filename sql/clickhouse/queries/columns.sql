SELECT name, type, comment
FROM system.columns
WHERE database = {database:String} AND table = {table:String}
ORDER BY position
