-- One snapshot for all statements of the transaction, and nothing written. The limits end a read that would
-- otherwise hang: on a lock, on a runaway plan, on a client that went away.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL lock_timeout = '30s';
SET LOCAL statement_timeout = '10min';
SET LOCAL idle_in_transaction_session_timeout = '10min';
SET LOCAL timezone = 'UTC'
