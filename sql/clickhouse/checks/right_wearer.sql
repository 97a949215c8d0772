-- Every row carries the wearer whom the CRM extract has for the chip in that hour.
SELECT toUnixTimestamp(m.hour_start) AS hour_seconds, count() AS checked, countIf(c.n = 0) AS failed,
       groupArrayIf(5)(format('chip {} on prosthesis {}', m.chip_id, toString(m.prosthesis_id)), c.n = 0) AS sample
FROM :rows AS m
LEFT JOIN (
    SELECT hour_start, assumeNotNull(chip_id) AS chip, prosthesis_id, user_id, customer_full_name, count() AS n
    FROM :crm
    WHERE ownership IN ('named', 'assumed', 'stated')
    GROUP BY hour_start, chip, prosthesis_id, user_id, customer_full_name
) AS c ON c.hour_start = m.hour_start AND c.chip = m.chip_id AND c.prosthesis_id = toInt64(m.prosthesis_id)
      AND c.user_id = m.user_id AND c.customer_full_name = m.customer_name
GROUP BY hour_seconds
