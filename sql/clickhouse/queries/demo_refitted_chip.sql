SELECT hour_start, chip_id, user_id, customer_full_name, prosthesis_serial, ownership
FROM staging.crm_customer_prosthesis
WHERE chip_id = 'CHIP-000001' AND ownership != 'overruled'
ORDER BY hour_start DESC
LIMIT 4
