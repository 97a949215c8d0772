-- For users who may read the view only: prostheses that somebody wears. Stamps as in observe_prostheses.sql.
SELECT
    count(DISTINCT prosthesis_id)::bigint AS row_count,
    max(prosthesis_updated_at::timestamptz)
        FILTER (WHERE prosthesis_updated_at BETWEEN '1900-01-01' AND statement_timestamp()) AS updated_at
FROM crm.v_customer_prosthesis
