-- What the CRM says now: one row per customer and prosthesis. The casts fix the types of the frame, whatever
-- lengths and aliases the deployed view has.
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
    sold_date::date,
    warranty_end_date::date,
    customer_updated_at::timestamptz,
    prosthesis_updated_at::timestamptz,
    last_updated_at::timestamptz
FROM crm.v_customer_prosthesis
