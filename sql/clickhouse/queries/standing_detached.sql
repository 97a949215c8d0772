-- Parts with rows that lie beside the tables: set aside by the engine because they are broken, or by somebody.
SELECT database || '.' || table AS full_name, count() AS parts, arrayStringConcat(arraySort(groupArray(name)), ', ') AS names
FROM system.detached_parts
WHERE database = 'storage'
GROUP BY full_name
ORDER BY full_name
