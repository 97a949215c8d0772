-- Until the end of the transaction, one at a time.
SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))
