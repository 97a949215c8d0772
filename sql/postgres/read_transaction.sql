-- One snapshot for all statements of the transaction, and nothing written. Before its first query.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY
