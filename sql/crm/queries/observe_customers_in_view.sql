-- For users who may read the view only: customers who have a prosthesis. Stamps as in observe_customers.sql.
SELECT
    count(DISTINCT customer_id)::bigint AS row_count,
    max(customer_updated_at::timestamptz)
        FILTER (WHERE customer_updated_at BETWEEN '1900-01-01' AND statement_timestamp()) AS updated_at
FROM crm.v_customer_prosthesis
