-- A stamp that can't be, like infinity, is passed over: else it would hide every change after it.
SELECT
    count(*)::bigint AS row_count,
    max(updated_at::timestamptz) FILTER (WHERE updated_at BETWEEN '1900-01-01' AND statement_timestamp()) AS updated_at
FROM crm.customers
