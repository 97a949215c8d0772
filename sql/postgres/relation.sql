-- Whether this user may read a table, and how many rows PostgreSQL believes it has (-1: it never looked). Nothing of
-- the table itself is read.
SELECT has_table_privilege(oid, 'SELECT') AS readable, reltuples::bigint AS row_estimate
FROM pg_catalog.pg_class
WHERE oid = to_regclass(':relation')
