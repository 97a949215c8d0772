CREATE OR REPLACE VIEW telemetry.v_hourly_telemetry AS
SELECT
    chip_id,
    hour_start,
    -- These two follow the time zone of the reading session, as they do in deployed
    -- databases. Nothing should rely on them: hour_start says which hour it is.
    hour_start::date                            AS report_date,
    extract(hour FROM hour_start)::integer      AS report_hour,
    movements_count,
    successful_movements,
    CASE WHEN movements_count > 0
         THEN round(100.0 * successful_movements / movements_count, 2)
         ELSE 0.00
    END                                         AS success_rate,
    round(avg_response_time::numeric, 2)        AS avg_response_time,
    min_response_time,
    max_response_time,
    round(avg_battery_level::numeric, 2)        AS avg_battery_level,
    min_battery_level,
    max_battery_level,
    round(avg_actuator_temp::numeric, 2)        AS avg_actuator_temp,
    round(max_actuator_temp::numeric, 2)        AS max_actuator_temp,
    error_count,
    warning_count,
    round(avg_myo_amplitude::numeric, 2)        AS avg_myo_amplitude,
    round(avg_connection_quality::numeric, 2)   AS avg_connection_quality,
    updated_at
FROM telemetry.hourly_stats;

COMMENT ON VIEW telemetry.v_hourly_telemetry IS
    'hourly_stats as reports read it: averages as numeric with 2 decimals.';
COMMENT ON COLUMN telemetry.v_hourly_telemetry.success_rate IS
    'Percent of the movements that succeeded; 0 when there were none.';
COMMENT ON COLUMN telemetry.v_hourly_telemetry.report_date IS
    'Date of hour_start in the time zone of the session; use hour_start instead.';
COMMENT ON COLUMN telemetry.v_hourly_telemetry.report_hour IS
    'Hour of hour_start in the time zone of the session; use hour_start instead.';
