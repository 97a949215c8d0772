-- Rows of the mart of which the CRM extract has no row that says just the same, by a hash of all of it. Looking a number
-- up costs a quarter of a join that carries the names along; the claim's own query names the rows if there are any.
SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() AS checked,
       countIf(
           cityHash64(tuple(hour_start, chip_id, toInt64(prosthesis_id), user_id, customer_name, customer_email,
                            toString(customer_region), customer_branch, prosthesis_model, toString(prosthesis_category),
                            prosthesis_serial))
           NOT IN (
               SELECT cityHash64(tuple(hour_start, assumeNotNull(chip_id), prosthesis_id, user_id, customer_full_name, email,
                                       toString(region), ifNull(branch, ''), ifNull(prosthesis_model, ''),
                                       ifNull(toString(prosthesis_category), ''), prosthesis_serial))
               FROM :crm
               WHERE ownership IN ('named', 'assumed', 'stated') AND chip_id IS NOT NULL
           )
       ) AS suspects
FROM :rows
GROUP BY hour_seconds
