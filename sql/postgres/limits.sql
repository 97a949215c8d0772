-- The limits end what would otherwise hang: on a lock, on a runaway plan, on a client that went away.
SELECT pg_catalog.set_config('lock_timeout', '30s', true),
       pg_catalog.set_config('statement_timeout', '10min', true),
       pg_catalog.set_config('idle_in_transaction_session_timeout', '10min', true)
