-- What the CRM says of those of the chips, a JSON list, that it knows: a row for each prosthesis that it names for one.
-- Rows that the extract leaves out don't count. A stamp that ClickHouse, and in the end Python, can't hold is none.
SELECT
    chip_id::text,
    user_id::text,
    customer_full_name::text,
    CASE WHEN prosthesis_updated_at BETWEEN '1900-01-01' AND '2299-12-31'
         THEN prosthesis_updated_at::timestamptz END AS prosthesis_updated_at
FROM crm.v_customer_prosthesis
WHERE customer_id IS NOT NULL AND prosthesis_id BETWEEN 0 AND 4294967295
  AND chip_id IN (SELECT json_array_elements_text($1::json))
