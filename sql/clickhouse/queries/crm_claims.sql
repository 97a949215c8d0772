-- Who is known to have worn which chip, and when, by the extracts of some hours.
SELECT
    chip_id,
    prosthesis_id,
    customer_id,
    worn_since AS since,
    max(named_at) AS seen,
    min(ended_at) AS first_ended_at
FROM staging.crm_customer_prosthesis
WHERE hour_start IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
  AND ownership IN ('named', 'assumed', 'ended')
GROUP BY chip_id, prosthesis_id, customer_id, worn_since
