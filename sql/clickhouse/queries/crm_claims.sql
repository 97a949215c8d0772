-- Who is known to have worn which chip, and when, by the extracts of some hours: of every record the last time it was
-- named. Where a chip had several wearers every time counts, or a record that was put back as it was would seem to have
-- stood all the while.
WITH known AS (
    SELECT chip_id, prosthesis_id, customer_id, worn_since, named_at, ended_at
    FROM staging.crm_customer_prosthesis
    WHERE hour_start IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
      AND ownership IN ('named', 'assumed', 'ended', 'overruled')
)
SELECT chip_id, prosthesis_id, customer_id, worn_since AS since, max(named_at) AS seen, ended_at
FROM known
GROUP BY chip_id, prosthesis_id, customer_id, worn_since, ended_at,
         if(chip_id IN (
             SELECT chip_id FROM known GROUP BY chip_id
             HAVING min(prosthesis_id) != max(prosthesis_id) OR min(customer_id) != max(customer_id)
         ), named_at, NULL)
