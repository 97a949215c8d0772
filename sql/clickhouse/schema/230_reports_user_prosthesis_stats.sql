-- The mart under its public name: of every hour, the rows of the newest read that was published.
CREATE OR REPLACE VIEW reports.user_prosthesis_stats
(
    user_id                String                 COMMENT 'The patient''s login in the CRM (customers.external_id)',
    prosthesis_id          UInt32                 COMMENT 'The CRM''s number of the prosthesis',
    chip_id                String                 COMMENT 'Chip that sent the telemetry',
    report_date            Date                   COMMENT 'Date of the hour in the report time zone',
    report_hour            UInt8                  COMMENT 'Hour of the day in the report time zone, 0 to 23',
    customer_name          String                 COMMENT 'Last, first and middle name',
    prosthesis_model       String                 COMMENT 'Model name',
    movements_count        UInt32                 COMMENT 'Movements in the hour',
    successful_movements   UInt32                 COMMENT 'Of those, the ones that succeeded',
    avg_response_time      Float32                COMMENT 'Mean time from signal to movement, ms; 0 without a measurement',
    avg_battery_level      Float32                COMMENT 'Mean battery level, percent; 0 without a measurement',
    error_count            UInt32                 COMMENT 'Seconds with an error code',
    etl_processed_at       DateTime               COMMENT 'When this row was produced',
    customer_email         String                 COMMENT 'E-mail address',
    customer_region        LowCardinality(String) COMMENT 'Region of the customer: russia or europe',
    customer_branch        String                 COMMENT 'Branch that looks after the customer; empty if none',
    prosthesis_category    LowCardinality(String) COMMENT 'arm, leg, hand or finger',
    prosthesis_serial      String                 COMMENT 'Serial number',
    success_rate           Float32                COMMENT 'Successful movements, percent; 0 without movements',
    min_response_time      UInt32                 COMMENT 'Shortest response time, ms; 0 without a measurement',
    max_response_time      UInt32                 COMMENT 'Longest response time, ms; 0 without a measurement',
    min_battery_level      UInt8                  COMMENT 'Lowest battery level, percent; 0 without a measurement',
    max_battery_level      UInt8                  COMMENT 'Highest battery level, percent; 0 without a measurement',
    avg_actuator_temp      Float32                COMMENT 'Mean actuator temperature, degrees Celsius; 0 without a measurement',
    max_actuator_temp      Float32                COMMENT 'Highest actuator temperature, degrees Celsius; 0 without a measurement',
    warning_count          UInt32                 COMMENT 'Seconds with a warning flag',
    avg_connection_quality Float32                COMMENT 'Mean connection quality, percent; 0 without a measurement',
    avg_myo_amplitude      Float32                COMMENT 'Mean muscle signal over the four channels, microvolts',
    source_updated_at      DateTime               COMMENT 'When the hourly roll-up last changed the source row; 1970-01-01 if it does not say'
)
AS
SELECT
    user_id, prosthesis_id, chip_id, report_date, report_hour, customer_name, prosthesis_model,
    movements_count, successful_movements, avg_response_time, avg_battery_level, error_count, etl_processed_at,
    customer_email, customer_region, customer_branch, prosthesis_category, prosthesis_serial,
    success_rate, min_response_time, max_response_time, min_battery_level, max_battery_level,
    avg_actuator_temp, max_actuator_temp, warning_count, avg_connection_quality, avg_myo_amplitude,
    source_updated_at
FROM storage.user_prosthesis_stats_rows
WHERE (hour_start, publication) IN (
    -- In the order of the journal's key, backwards: read as it lies, a fourth of what argMax() of the three costs.
    SELECT hour_start, publication
    FROM storage.publications
    WHERE table_name = 'reports.user_prosthesis_stats'
    ORDER BY hour_start DESC, source_read_at DESC, started_at DESC, publication DESC
    LIMIT 1 BY hour_start
)
COMMENT 'What every prosthesis did in every hour, with the patient who wore it: one row per prosthesis and hour'
