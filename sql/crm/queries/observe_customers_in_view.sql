-- For users who may read the view only: customers who have a prosthesis.
SELECT count(DISTINCT customer_id)::bigint AS row_count, max(customer_updated_at)::timestamptz AS updated_at
FROM crm.v_customer_prosthesis
