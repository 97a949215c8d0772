-- Rolled-up telemetry of the hours [:since, :until). Numeric averages are cast because ADBC hands `numeric` over as
-- text; what is too large for float8 is infinite, what is too small is 0. A chip's name is cut after one character more
-- than it may have, and a stamp to what ClickHouse can hold: transform/validate.py sets both aside. report_date and
-- report_hour of the view follow the session's time zone and are not read.
SELECT
    hour_start::timestamptz,
    left(chip_id, 65)::text AS chip_id,
    movements_count::bigint,
    successful_movements::bigint,
    CASE WHEN abs(success_rate) < 1e-300 THEN 0 WHEN abs(success_rate) < 1e308 THEN success_rate::float8 WHEN success_rate::text = 'NaN' THEN 'NaN' WHEN success_rate > 0 THEN 'Infinity'
         WHEN success_rate < 0 THEN '-Infinity' END::float8 AS success_rate,
    CASE WHEN abs(avg_response_time) < 1e-300 THEN 0 WHEN abs(avg_response_time) < 1e308 THEN avg_response_time::float8 WHEN avg_response_time::text = 'NaN' THEN 'NaN' WHEN avg_response_time > 0 THEN 'Infinity'
         WHEN avg_response_time < 0 THEN '-Infinity' END::float8 AS avg_response_time,
    min_response_time::bigint,
    max_response_time::bigint,
    CASE WHEN abs(avg_battery_level) < 1e-300 THEN 0 WHEN abs(avg_battery_level) < 1e308 THEN avg_battery_level::float8 WHEN avg_battery_level::text = 'NaN' THEN 'NaN' WHEN avg_battery_level > 0 THEN 'Infinity'
         WHEN avg_battery_level < 0 THEN '-Infinity' END::float8 AS avg_battery_level,
    min_battery_level::bigint,
    max_battery_level::bigint,
    CASE WHEN abs(avg_actuator_temp) < 1e-300 THEN 0 WHEN abs(avg_actuator_temp) < 1e308 THEN avg_actuator_temp::float8 WHEN avg_actuator_temp::text = 'NaN' THEN 'NaN' WHEN avg_actuator_temp > 0 THEN 'Infinity'
         WHEN avg_actuator_temp < 0 THEN '-Infinity' END::float8 AS avg_actuator_temp,
    CASE WHEN abs(max_actuator_temp) < 1e-300 THEN 0 WHEN abs(max_actuator_temp) < 1e308 THEN max_actuator_temp::float8 WHEN max_actuator_temp::text = 'NaN' THEN 'NaN' WHEN max_actuator_temp > 0 THEN 'Infinity'
         WHEN max_actuator_temp < 0 THEN '-Infinity' END::float8 AS max_actuator_temp,
    error_count::bigint,
    warning_count::bigint,
    CASE WHEN abs(avg_myo_amplitude) < 1e-300 THEN 0 WHEN abs(avg_myo_amplitude) < 1e308 THEN avg_myo_amplitude::float8 WHEN avg_myo_amplitude::text = 'NaN' THEN 'NaN' WHEN avg_myo_amplitude > 0 THEN 'Infinity'
         WHEN avg_myo_amplitude < 0 THEN '-Infinity' END::float8 AS avg_myo_amplitude,
    CASE WHEN abs(avg_connection_quality) < 1e-300 THEN 0 WHEN abs(avg_connection_quality) < 1e308 THEN avg_connection_quality::float8 WHEN avg_connection_quality::text = 'NaN' THEN 'NaN' WHEN avg_connection_quality > 0 THEN 'Infinity'
         WHEN avg_connection_quality < 0 THEN '-Infinity' END::float8 AS avg_connection_quality,
    -- Both functions leave NULL out.
    CASE WHEN updated_at IS NOT NULL
         THEN greatest(least(updated_at, '2299-12-30 00:00+00'), '1900-01-01 00:00+00') END::timestamptz AS updated_at
FROM telemetry.v_hourly_telemetry
WHERE hour_start >= :since AND hour_start < :until
