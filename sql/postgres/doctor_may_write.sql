-- Tables of a schema that this user may change: a user that only reads needs none.
SELECT c.oid::regclass::text AS relation
FROM pg_catalog.pg_class c
WHERE c.relnamespace = to_regnamespace(':relation') AND c.relkind IN ('r', 'p')
  AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
       OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE'))
ORDER BY 1
