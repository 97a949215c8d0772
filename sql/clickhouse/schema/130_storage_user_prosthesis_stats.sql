-- The sort key leads with what a report asks for: one patient, a span of days.
-- hour_start is part of the identity of a row: where a report time zone repeats an hour in autumn,
-- report_date and report_hour are the same for two hours of one prosthesis.
CREATE TABLE IF NOT EXISTS storage.user_prosthesis_stats
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
    source_updated_at      DateTime               COMMENT 'When the hourly roll-up last changed the source row; 1970-01-01 if it does not say',
    hour_start             DateTime('UTC')        COMMENT 'The hour, its first second in UTC',
    publication            UInt64                 COMMENT 'The attempt that wrote the row; storage.publications says whether it counts',
    written_at             DateTime('UTC') DEFAULT now() COMMENT 'When ClickHouse took the row in; decides how long an attempt that never committed is kept',
    CONSTRAINT report_hour_is_an_hour_of_the_day CHECK report_hour < 24,
    CONSTRAINT hour_start_is_a_whole_hour CHECK hour_start = toStartOfHour(hour_start)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(report_date)
ORDER BY (user_id, report_date, report_hour, prosthesis_id, hour_start, publication)
TTL report_date + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every publication of reports.user_prosthesis_stats'
