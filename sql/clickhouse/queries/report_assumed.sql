-- Rows of the mart whose wearer the CRM did not name in the hour. The placeholder is the visible rows of some hours.
SELECT count()
FROM :mart AS m
INNER JOIN (
    SELECT hour_start, assumeNotNull(chip_id) AS chip_id
    FROM staging.crm_customer_prosthesis
    WHERE ownership = 'assumed' AND chip_id IS NOT NULL
      AND hour_start BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')
) AS a ON a.hour_start = m.hour_start AND a.chip_id = m.chip_id
WHERE {user:String} = '' OR m.user_id = {user:String}
