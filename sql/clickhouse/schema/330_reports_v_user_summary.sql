-- All time, for the report service. Days are put together by the weights that their averages have.
CREATE OR REPLACE VIEW reports.v_user_summary
(
    user_id                String            COMMENT 'The patient''s login in the CRM (customers.external_id)',
    customer_name          String            COMMENT 'Last, first and middle name, as of the last day',
    prostheses             UInt64            COMMENT 'How many prostheses have sent telemetry',
    first_date             Date              COMMENT 'The first day with telemetry; the mart keeps 365 days',
    last_date              Date              COMMENT 'The last day with telemetry',
    days_active            UInt64            COMMENT 'Days with telemetry',
    hours_active           UInt64            COMMENT 'Hours with telemetry, of every prosthesis by itself',
    movements_count        UInt64            COMMENT 'Movements',
    successful_movements   UInt64            COMMENT 'Of those, the ones that succeeded',
    success_rate           Nullable(Float64) COMMENT 'Successful movements of all movements, percent, 2 decimals; NULL without movements',
    avg_response_time      Nullable(Float64) COMMENT 'Mean time from signal to movement, ms, 2 decimals, weighted by movements; NULL without a measurement',
    min_battery_level      Nullable(UInt8)   COMMENT 'Lowest battery level, percent; NULL without a measurement',
    avg_battery_level      Nullable(Float64) COMMENT 'Mean battery level over all hours with a measurement, percent, 2 decimals; NULL without one',
    max_actuator_temp      Nullable(Float32) COMMENT 'Highest actuator temperature, degrees Celsius; NULL without a measurement',
    error_count            UInt64            COMMENT 'Seconds with an error code',
    warning_count          UInt64            COMMENT 'Seconds with a warning flag',
    avg_connection_quality Nullable(Float64) COMMENT 'Mean connection quality over all hours with a measurement, percent, 2 decimals; NULL without one',
    etl_processed_at       DateTime          COMMENT 'When the newest of the rows was produced'
)
AS
SELECT
    user_id,
    argMax(d.customer_name, report_date) AS customer_name,
    uniqExact(prosthesis_id) AS prostheses,
    min(report_date) AS first_date,
    max(report_date) AS last_date,
    uniqExact(report_date) AS days_active,
    sum(toUInt64(d.hours_active)) AS hours_active,
    sum(d.movements_count) AS movements_count,
    sum(d.successful_movements) AS successful_movements,
    round(100 * successful_movements / nullIf(movements_count, 0), 2) AS success_rate,
    round(sum(d.avg_response_time * timed_movements) / nullIf(sum(timed_movements), 0), 2) AS avg_response_time,
    min(d.min_battery_level) AS min_battery_level,
    round(sum(d.avg_battery_level * battery_hours) / nullIf(sum(battery_hours), 0), 2) AS avg_battery_level,
    max(d.max_actuator_temp) AS max_actuator_temp,
    sum(d.error_count) AS error_count,
    sum(d.warning_count) AS warning_count,
    round(sum(d.avg_connection_quality * connection_hours) / nullIf(sum(connection_hours), 0), 2) AS avg_connection_quality,
    max(d.etl_processed_at) AS etl_processed_at
FROM reports.user_daily_stats AS d
GROUP BY user_id
COMMENT 'A patient''s report, all time: one row per user'
