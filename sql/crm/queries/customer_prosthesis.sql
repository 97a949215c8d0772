-- What the CRM says now: one row per customer and prosthesis. The casts fix the types of the frame, whatever
-- lengths and aliases the deployed view has. A date that the table can't hold is empty; checks/dates_can_be_kept.sql
-- counts those.
SELECT
    customer_id::bigint,
    user_id::text,
    first_name::text,
    last_name::text,
    middle_name::text,
    customer_full_name::text,
    email::text,
    phone::text,
    region::text,
    branch::text,
    prosthesis_id::bigint,
    prosthesis_serial::text,
    chip_id::text,
    prosthesis_status::text,
    firmware_version::text,
    model_code::text,
    prosthesis_model::text,
    prosthesis_category::text,
    CASE WHEN sold_date BETWEEN '1900-01-01' AND '2299-12-31' THEN sold_date::date END AS sold_date,
    CASE WHEN warranty_end_date BETWEEN '1900-01-01' AND '2299-12-31' THEN warranty_end_date::date END AS warranty_end_date,
    customer_updated_at::timestamptz,
    prosthesis_updated_at::timestamptz,
    last_updated_at::timestamptz
FROM crm.v_customer_prosthesis
