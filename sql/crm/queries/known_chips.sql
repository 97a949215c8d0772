-- What the CRM says of those of the chips, a JSON list, that it knows: a row for each prosthesis that it names for one.
SELECT
    chip_id::text,
    user_id::text,
    customer_full_name::text,
    prosthesis_updated_at::timestamptz
FROM crm.v_customer_prosthesis
WHERE chip_id IN (SELECT json_array_elements_text($1::json))
