-- Rows of telemetry that are set aside, by reason. Of one patient: those of the chips that the patient wore in the hour,
-- those that the CRM named for nobody after the patient (ended), and those that it names several times, once of them for
-- the patient (contested): to the patient these hours are missing, whoever turns out to have worn them. An overruled row
-- is only remembered; another row says whose the hour is.
SELECT reason, count() AS n
FROM quarantine.rejected_telemetry
WHERE hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')
  AND ({user:String} = '' OR (hour_start, chip_id) IN (
      SELECT hour_start, assumeNotNull(chip_id)
      FROM staging.crm_customer_prosthesis
      WHERE user_id = {user:String} AND chip_id IS NOT NULL
        AND ownership IN ('named', 'assumed', 'stated', 'ended', 'contested')
        AND hour_start >= toDateTime({since:UInt32}, 'UTC') AND hour_start < toDateTime({until:UInt32}, 'UTC')))
GROUP BY reason
ORDER BY n DESC, reason
