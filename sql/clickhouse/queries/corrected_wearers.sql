-- Hours that an operator gave to another person or prosthesis than was known to have worn the chip; of an hour in which
-- it moved, than the one it moved to.
SELECT c.hour_start AS hour_start, c.chip_id AS chip_id, k.user_id AS known_before, c.user_id AS stated,
       k.prosthesis_serial AS prosthesis_before, c.prosthesis_serial AS prosthesis_stated
FROM staging.crm_customer_prosthesis AS c
INNER JOIN (
    SELECT hour_start, chip_id, customer_id, prosthesis_id, user_id, prosthesis_serial
    FROM staging.crm_customer_prosthesis
    WHERE ownership = 'overruled' AND hour_start BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')
    ORDER BY hour_start, chip_id, worn_since DESC
    LIMIT 1 BY hour_start, chip_id
) AS k ON k.hour_start = c.hour_start AND k.chip_id = c.chip_id
WHERE c.ownership = 'stated'
  AND (k.customer_id != c.customer_id OR k.prosthesis_id != c.prosthesis_id)
  AND c.hour_start BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')
ORDER BY hour_start, chip_id
