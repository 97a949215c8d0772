-- Columns of one table or view as the catalog has them; none if it doesn't exist.
SELECT a.attname::text AS name, format_type(a.atttypid, NULL)::text AS type
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = to_regclass(':relation') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
