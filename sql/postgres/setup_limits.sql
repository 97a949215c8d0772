-- As limits.sql. A schema may have a large table to change, and the demo a large fleet to make up.
SELECT pg_catalog.set_config('lock_timeout', '60s', true),
       pg_catalog.set_config('statement_timeout', '60min', true),
       pg_catalog.set_config('idle_in_transaction_session_timeout', '10min', true)
