-- Whether a part is still one of a table's.
SELECT 1
FROM system.parts
WHERE active AND database || '.' || table = {table:String} AND name = {part:String}
