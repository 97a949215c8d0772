-- Adds the readings of the demo fleet in [since, until) and returns their number. Readings
-- already there are skipped: spans may overlap, and a span whose rows were deleted can be
-- filled again, which is how late data looks to the roll-up.
CREATE OR REPLACE FUNCTION demo.append_raw_telemetry(
    seed bigint, prostheses integer, since timestamptz, until timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    added bigint;
BEGIN
    -- The demo begins in the past, for which no roll-up has made partitions.
    PERFORM telemetry.make_raw_partitions(since, until);

    INSERT INTO telemetry.raw_telemetry (
        chip_id, "timestamp", myo_channel_1, myo_channel_2, myo_channel_3, myo_channel_4,
        movement_type, movement_intensity, response_time_ms, movement_success,
        accelerometer_x, accelerometer_y, accelerometer_z,
        gyroscope_x, gyroscope_y, gyroscope_z, actuator_temp, grip_pressure,
        battery_level, battery_voltage, connection_quality,
        error_code, warning_flags, firmware_version, session_id, created_at)
    SELECT r.*
    FROM demo.readings(seed, prostheses, since, until) AS r
    WHERE NOT EXISTS (
        SELECT FROM telemetry.raw_telemetry t
        WHERE t.chip_id = r.chip_id AND t."timestamp" = r."timestamp"
          AND t."timestamp" >= since AND t."timestamp" < until);

    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
