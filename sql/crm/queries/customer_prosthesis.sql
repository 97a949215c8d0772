-- What the CRM says now: one row per customer and prosthesis, and the one place that decides what such a row may be. The
-- casts fix the types of the frame, whatever lengths and aliases the deployed view has. A value that the tables can't
-- hold is empty, and named in `emptied`; a row that can't be told apart by its numbers, or whose chip no telemetry can
-- have, is left out, for the reasons in `left_out`. checks/values_can_be_kept.sql and rows_can_be_kept.sql count both.
SELECT
    customer_id::bigint,
    coalesce(user_id, '')::text AS user_id,
    coalesce(customer_full_name, '')::text AS customer_full_name,
    coalesce(email, '')::text AS email,
    coalesce(region, '')::text AS region,
    branch::text,
    prosthesis_id::bigint,
    coalesce(prosthesis_serial, '')::text AS prosthesis_serial,
    left(chip_id, 65)::text AS chip_id,
    coalesce(prosthesis_status, '')::text AS prosthesis_status,
    prosthesis_model::text,
    prosthesis_category::text,
    CASE WHEN customer_updated_at BETWEEN '1900-01-01 00:00+00' AND '2299-12-31 00:00+00'
         THEN customer_updated_at::timestamptz END AS customer_updated_at,
    CASE WHEN prosthesis_updated_at BETWEEN '1900-01-01 00:00+00' AND '2299-12-31 00:00+00'
         THEN prosthesis_updated_at::timestamptz END AS prosthesis_updated_at,
    nullif(concat_ws('; ',
        CASE WHEN customer_id IS NULL THEN 'customer_id is empty' END,
        CASE WHEN prosthesis_id IS NULL THEN 'prosthesis_id is empty'
             WHEN prosthesis_id NOT BETWEEN 0 AND 4294967295 THEN 'prosthesis_id is outside 0 to 4294967295' END,
        CASE WHEN length(chip_id) > 64 THEN 'chip_id is longer than 64 characters' END
    ), '')::text AS left_out,
    nullif(concat_ws(', ',
        CASE WHEN user_id IS NULL THEN 'user_id' END,
        CASE WHEN customer_full_name IS NULL THEN 'customer_full_name' END,
        CASE WHEN email IS NULL THEN 'email' END,
        CASE WHEN region IS NULL THEN 'region' END,
        CASE WHEN prosthesis_serial IS NULL THEN 'prosthesis_serial' END,
        CASE WHEN prosthesis_status IS NULL THEN 'prosthesis_status' END,
        CASE WHEN customer_updated_at NOT BETWEEN '1900-01-01 00:00+00' AND '2299-12-31 00:00+00'
             THEN 'customer_updated_at' END,
        CASE WHEN prosthesis_updated_at NOT BETWEEN '1900-01-01 00:00+00' AND '2299-12-31 00:00+00'
             THEN 'prosthesis_updated_at' END
    ), '')::text AS emptied
FROM crm.v_customer_prosthesis
