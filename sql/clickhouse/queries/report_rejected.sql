-- Rows of telemetry that are set aside, by reason. Of one patient: those of the chips that the patient wore in the hour.
SELECT reason, count() AS n
FROM quarantine.rejected_telemetry
WHERE hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
  AND ({user:String} = '' OR (hour_start, chip_id) IN (
      SELECT hour_start, assumeNotNull(chip_id)
      FROM staging.crm_customer_prosthesis
      WHERE user_id = {user:String} AND chip_id IS NOT NULL AND ownership IN ('named', 'assumed', 'stated')
        AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')))
GROUP BY reason
ORDER BY n DESC, reason
