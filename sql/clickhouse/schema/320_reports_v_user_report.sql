-- Day by day, for the report service: what a patient or a clinician reads, without the weights.
CREATE OR REPLACE VIEW reports.v_user_report
(
    user_id                String            COMMENT 'The patient''s login in the CRM (customers.external_id)',
    report_date            Date              COMMENT 'Day in the report time zone',
    prosthesis_id          UInt32            COMMENT 'The CRM''s number of the prosthesis',
    customer_name          String            COMMENT 'Last, first and middle name, as of the day''s last hour',
    prosthesis_model       String            COMMENT 'Model name, as of the day''s last hour',
    prosthesis_category    String            COMMENT 'arm, leg, hand or finger',
    prosthesis_serial      String            COMMENT 'Serial number',
    hours_active           UInt8             COMMENT 'Hours in which the prosthesis sent telemetry',
    movements_count        UInt64            COMMENT 'Movements of the day',
    successful_movements   UInt64            COMMENT 'Of those, the ones that succeeded',
    success_rate           Nullable(Float64) COMMENT 'Successful movements of all movements of the day, percent, 2 decimals; NULL without movements',
    avg_response_time      Nullable(Float64) COMMENT 'Mean time from signal to movement, ms, 2 decimals, weighted by movements; NULL without a measurement',
    min_battery_level      Nullable(UInt8)   COMMENT 'Lowest battery level of the day, percent; NULL without a measurement',
    avg_battery_level      Nullable(Float64) COMMENT 'Mean battery level while it was on, percent, 2 decimals; NULL without a measurement',
    max_actuator_temp      Nullable(Float32) COMMENT 'Highest actuator temperature of the day, degrees Celsius; NULL without a measurement',
    error_count            UInt64            COMMENT 'Seconds with an error code',
    warning_count          UInt64            COMMENT 'Seconds with a warning flag',
    avg_connection_quality Nullable(Float64) COMMENT 'Mean connection quality while it was on, percent, 2 decimals; NULL without a measurement',
    etl_processed_at       DateTime          COMMENT 'When the newest of the day''s rows was produced'
)
AS
SELECT
    user_id, report_date, prosthesis_id, customer_name, prosthesis_model, prosthesis_category, prosthesis_serial,
    hours_active, movements_count, successful_movements,
    round(d.success_rate, 2) AS success_rate,
    round(d.avg_response_time, 2) AS avg_response_time,
    min_battery_level,
    round(d.avg_battery_level, 2) AS avg_battery_level,
    max_actuator_temp, error_count, warning_count,
    round(d.avg_connection_quality, 2) AS avg_connection_quality,
    etl_processed_at
FROM reports.user_daily_stats AS d
COMMENT 'A patient''s report, day by day: one row per user, day and prosthesis'
