-- The state of the CRM's answer in one short text: how many rows, and the sum of a hash of who wears which prosthesis
-- with which chip, and of when the CRM last changed the customer and the prosthesis; like
-- sql/telemetry/queries/late_hour_states.sql. A row that comes, goes, is stamped, or gets another customer or chip
-- makes another text. Not seen is what leaves no stamp: a model that gets another name or category, a change that no
-- trigger stamps, and a view that was made anew and says something else in its other columns.
SELECT
    count(*)::text || ':' || coalesce(sum(hash_array_extended(
        ARRAY[customer_updated_at, prosthesis_updated_at],
        hashtextextended(
            coalesce(chip_id, ''),
            hashint8extended(coalesce(customer_id, 0)::bigint, coalesce(prosthesis_id, 0)::bigint)
        )
    )), 0)::text AS state
FROM crm.v_customer_prosthesis
