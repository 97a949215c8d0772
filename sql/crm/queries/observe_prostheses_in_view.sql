-- For users who may read the view only: prostheses that somebody wears.
SELECT count(DISTINCT prosthesis_id)::bigint AS row_count, max(prosthesis_updated_at)::timestamptz AS updated_at
FROM crm.v_customer_prosthesis
