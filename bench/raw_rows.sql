-- A reading a second of every chip for one hour, at full volume and in time order; its values aren't the point. A year
-- is added by calling it for every hour with few chips.
CREATE OR REPLACE FUNCTION pg_temp.send(begins timestamptz, chips integer) RETURNS bigint LANGUAGE sql AS $$
    WITH sent AS (
        INSERT INTO telemetry.raw_telemetry (
            chip_id, "timestamp", myo_channel_1, myo_channel_2, myo_channel_3, myo_channel_4, movement_type,
            movement_intensity, response_time_ms, movement_success, accelerometer_x, accelerometer_y, accelerometer_z,
            gyroscope_x, gyroscope_y, gyroscope_z, actuator_temp, grip_pressure, battery_level, battery_voltage,
            connection_quality, error_code, warning_flags, firmware_version, session_id, created_at)
        SELECT
            'CHIP-' || lpad(n::text, 6, '0'), begins + t * interval '1 second',
            10 + x * 90, 10 + x * 80, 10 + x * 70, 10 + x * 60, CASE WHEN (n + t) % 3 = 0 THEN 'grip' END,
            x * 100, CASE WHEN (n + t) % 3 = 0 THEN (80 + 160 * x)::integer END, (n + t) % 14 <> 0, x, x, x,
            x, x, x, 30 + x * 10, x * 60, (100 * x)::integer, 6.6 + x, (75 + 25 * x)::integer,
            CASE WHEN (n * 7 + t) % 1000 = 0 THEN 'MOTOR_STALL' END, CASE WHEN (n + t) % 50 = 0 THEN 1 ELSE 0 END,
            '2.4.0', '00000000-0000-0000-0000-000000000001', begins + t * interval '1 second'
        FROM generate_series(0, 3599) AS t,
             LATERAL (SELECT n, ((n * 7919 + t * 104729) % 1000) / 1000.0::double precision AS x
                      FROM generate_series(1, chips) AS n) AS draws
        RETURNING 1
    )
    SELECT count(*) FROM sent
$$
