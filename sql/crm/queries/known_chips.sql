-- Which of the chips, a JSON list, the CRM knows a wearer of, and when it last changed what it says of them.
SELECT chip_id::text, max(prosthesis_updated_at)::timestamptz AS changed_at
FROM crm.v_customer_prosthesis
WHERE chip_id IN (SELECT json_array_elements_text($1::json))
GROUP BY chip_id
