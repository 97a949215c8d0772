-- All that a role, a database, a server, an environment variable or a pooler may have set otherwise, and that changes what is
-- read; for this transaction alone, so that a pooler's connection stays as it was. One statement, since each is a round trip.
-- Names are written in full: until it is done, the search path is anybody's.
-- The first query of a transaction takes its snapshot: its clock is the instant that is read.
SELECT pg_catalog.clock_timestamp() AS read_at,
       pg_catalog.getdatabaseencoding()::text AS encoding,
       pg_catalog.set_config('client_encoding', 'UTF8', true),
       pg_catalog.set_config('timezone', 'UTC', true),
       pg_catalog.set_config('timezone_abbreviations', 'Default', true),
       pg_catalog.set_config('datestyle', 'ISO, MDY', true),
       pg_catalog.set_config('intervalstyle', 'postgres', true),
       pg_catalog.set_config('extra_float_digits', '1', true),
       pg_catalog.set_config('quote_all_identifiers', 'off', true),
       pg_catalog.set_config('standard_conforming_strings', 'on', true),
       pg_catalog.set_config('transform_null_equals', 'off', true),
       pg_catalog.set_config('bytea_output', 'hex', true),
       pg_catalog.set_config('search_path', '"$user", public', true)
