-- Every row carries the wearer whom the CRM extract has for the chip in that hour, and what it says of the two.
WITH c.chip = '' AS nobody,
     (c.prosthesis_id, c.user_id, c.name, c.email, c.region, c.branch, c.model, c.category, c.serial)
     != (toInt64(m.prosthesis_id), m.user_id, m.customer_name, m.customer_email, m.customer_region, m.customer_branch,
         m.prosthesis_model, m.prosthesis_category, m.prosthesis_serial) AS other
SELECT toUnixTimestamp(m.hour_start) AS hour_seconds, count() AS checked, countIf(nobody OR other) AS failed,
       groupArrayIf(5)(format('chip {} on prosthesis {}{}', m.chip_id, toString(m.prosthesis_id),
                              if(nobody, ', which nobody wore', '')), nobody OR other) AS sample
FROM :rows AS m
LEFT ANY JOIN (
    SELECT hour_start, ifNull(chip_id, '') AS chip, prosthesis_id, user_id, customer_full_name AS name, email,
           toString(region) AS region, ifNull(branch, '') AS branch, ifNull(prosthesis_model, '') AS model,
           ifNull(toString(prosthesis_category), '') AS category, prosthesis_serial AS serial
    FROM :crm
    WHERE ownership IN ('named', 'assumed', 'stated') AND chip_id IS NOT NULL
) AS c ON c.hour_start = m.hour_start AND c.chip = m.chip_id
GROUP BY hour_seconds
