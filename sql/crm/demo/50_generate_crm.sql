-- Fills the CRM with the first `prostheses` units of the demo fleet, their owners and the
-- models; returns the number of prostheses added. Rows that exist stay as they are, so a
-- second run adds nothing and a run with a larger number adds the difference.
--
-- Every INSERT excludes existing rows itself: ON CONFLICT alone, there for concurrent
-- runs and for taken e-mail addresses and chips, would burn a sequence value per row.
CREATE OR REPLACE FUNCTION demo.generate_crm(seed bigint, prostheses integer DEFAULT 30)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    added integer;
BEGIN
    INSERT INTO crm.prosthesis_models (
        model_code, model_name, category, description, price, warranty_months, is_active)
    SELECT d.model_code, d.model_name, d.category, d.description, d.price,
           d.warranty_months, d.is_active
    FROM demo.models() d
    WHERE NOT EXISTS (SELECT FROM crm.prosthesis_models m WHERE m.model_code = d.model_code)
    ORDER BY d.number
    ON CONFLICT DO NOTHING;

    INSERT INTO crm.customers (
        external_id, first_name, last_name, middle_name, email, phone, birth_date,
        region, branch, created_at, updated_at)
    SELECT d.external_id, d.first_name, d.last_name, d.middle_name, d.email, d.phone,
           d.birth_date, d.region, d.branch, d.created_at, d.created_at
    FROM demo.customers(seed, demo.customer_number(prostheses)) d
    WHERE NOT EXISTS (SELECT FROM crm.customers c WHERE c.external_id = d.external_id)
    ORDER BY length(d.external_id), d.external_id
    ON CONFLICT DO NOTHING;

    INSERT INTO crm.prostheses (
        serial_number, model_id, customer_id, chip_id, status, manufactured_date,
        sold_date, warranty_end_date, firmware_version, created_at, updated_at)
    SELECT d.serial_number, m.model_id, c.customer_id, d.chip_id, d.status,
           d.manufactured_date, d.sold_date, d.warranty_end_date, d.firmware_version,
           d.manufactured_date AT TIME ZONE 'UTC',
           coalesce(d.sold_date, d.manufactured_date) AT TIME ZONE 'UTC'
    FROM demo.prostheses(seed, prostheses) d
    JOIN crm.prosthesis_models m USING (model_code)
    LEFT JOIN crm.customers c USING (external_id)
    WHERE NOT EXISTS (SELECT FROM crm.prostheses p WHERE p.serial_number = d.serial_number)
    ORDER BY length(d.serial_number), d.serial_number
    ON CONFLICT DO NOTHING;

    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
