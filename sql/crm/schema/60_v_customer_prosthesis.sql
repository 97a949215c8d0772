-- Every prosthesis that has a customer, whatever its status: one that went to
-- maintenance this morning still had an owner in the hours before, and a view of the
-- active ones alone would take those hours from that owner's reports.
CREATE OR REPLACE VIEW crm.v_customer_prosthesis AS
SELECT
    c.customer_id,
    c.external_id       AS user_id,
    c.first_name,
    c.last_name,
    c.middle_name,
    -- concat_ws skips nulls but not empty strings, which would leave a trailing blank.
    concat_ws(' ', c.last_name, c.first_name, nullif(btrim(c.middle_name), ''))
                        AS customer_full_name,
    c.email,
    c.phone,
    c.region,
    c.branch,
    p.prosthesis_id,
    p.serial_number     AS prosthesis_serial,
    p.chip_id,
    p.status            AS prosthesis_status,
    p.firmware_version,
    m.model_code,
    m.model_name        AS prosthesis_model,
    m.category          AS prosthesis_category,
    p.sold_date,
    p.warranty_end_date,
    c.updated_at        AS customer_updated_at,
    p.updated_at        AS prosthesis_updated_at,
    greatest(c.updated_at, p.updated_at) AS last_updated_at
FROM crm.prostheses p
JOIN crm.customers c USING (customer_id)
JOIN crm.prosthesis_models m USING (model_id);

COMMENT ON VIEW crm.v_customer_prosthesis IS
    'One row per prosthesis that has a customer, in any status, with its owner and model.';
COMMENT ON COLUMN crm.v_customer_prosthesis.customer_full_name IS 'Last First Middle.';
