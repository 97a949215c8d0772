-- Rolled-up telemetry of the hours [:since, :until). Numeric averages are cast because ADBC hands `numeric` over as
-- text. report_date and report_hour of the view follow the session's time zone and are not read.
SELECT
    hour_start::timestamptz,
    chip_id::text,
    movements_count::bigint,
    successful_movements::bigint,
    success_rate::float8,
    avg_response_time::float8,
    min_response_time::bigint,
    max_response_time::bigint,
    avg_battery_level::float8,
    min_battery_level::bigint,
    max_battery_level::bigint,
    avg_actuator_temp::float8,
    max_actuator_temp::float8,
    error_count::bigint,
    warning_count::bigint,
    avg_myo_amplitude::float8,
    avg_connection_quality::float8,
    updated_at::timestamptz
FROM telemetry.v_hourly_telemetry
WHERE hour_start >= :since AND hour_start < :until
