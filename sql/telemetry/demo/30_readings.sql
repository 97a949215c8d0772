-- The readings of the demo fleet in [since, until), in time order. Each is drawn from
-- (seed, chip, second) alone: [a, b) and [b, c) together are [a, c).
--
-- Two inner queries end in OFFSET 0, which keeps the planner from merging them into the
-- outer one; merged, a draw used in five places would be hashed five times.
CREATE OR REPLACE FUNCTION demo.readings(
    seed bigint, prostheses integer, since timestamptz, until timestamptz)
RETURNS TABLE (
    chip_id text, "timestamp" timestamptz,
    myo_channel_1 double precision, myo_channel_2 double precision,
    myo_channel_3 double precision, myo_channel_4 double precision,
    movement_type text, movement_intensity double precision,
    response_time_ms integer, movement_success boolean,
    accelerometer_x double precision, accelerometer_y double precision,
    accelerometer_z double precision, gyroscope_x double precision,
    gyroscope_y double precision, gyroscope_z double precision,
    actuator_temp double precision, grip_pressure double precision,
    battery_level smallint, battery_voltage double precision, connection_quality smallint,
    error_code text, warning_flags integer, firmware_version text,
    session_id uuid, created_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT
        chip_id,
        to_timestamp(tick),
        -- A loose electrode loses one channel, a loose socket all four.
        CASE WHEN u_contact >= 0.015 THEN round(signal * 9 * (0.5 + u_1)) / 10 END,
        CASE WHEN u_contact >= 0.010 THEN round(signal * 8 * (0.5 + u_2)) / 10 END,
        CASE WHEN u_contact >= 0.005 THEN round(signal * 7 * (0.5 + u_1)) / 10 END,
        CASE WHEN u_contact >= 0.005 THEN round(signal * 6 * (0.5 + u_2)) / 10 END,
        movement,
        intensity,
        CASE WHEN movement IS NOT NULL AND u_1 >= 0.03
             THEN ((80 + 160 * u_response * u_response) * pace)::integer END,
        -- The default, true, is what an idle reading carries too.
        CASE WHEN movement IS NULL OR u_success >= failing THEN true
             WHEN u_success >= 0.002 THEN false END,
        round(200 * (u_1 - 0.5)) / 100,
        round(200 * (u_2 - 0.5)) / 100,
        round(981 + 100 * (u_move - 0.5)) / 100,
        round(coalesce(intensity, 2) * (u_2 - 0.5) * 10) / 10,
        round(coalesce(intensity, 2) * (u_1 - 0.5) * 10) / 10,
        round(coalesce(intensity, 2) * (u_move - 0.5) * 10) / 10,
        temperature,
        CASE WHEN movement = 'grip' THEN round(intensity * 6) / 10 END,
        battery::smallint,
        round(660 + 1.8 * battery) / 100,
        link::smallint,
        CASE WHEN u_error < 0.001
             THEN (ARRAY['MOTOR_STALL', 'MYO_CONTACT_LOST', 'COMM_TIMEOUT', 'OVERCURRENT'])
                  [1 + floor(4000 * u_error)::integer] END,
        -- Bits: battery low, actuator hot, weak link, electrode lost.
        CASE WHEN battery < 20 THEN 1 ELSE 0 END
            | CASE WHEN temperature > 41 THEN 2 ELSE 0 END
            | CASE WHEN link < 60 THEN 4 ELSE 0 END
            | CASE WHEN u_contact < 0.015 THEN 8 ELSE 0 END,
        firmware,
        md5(seed || '/' || number || '/' || tick / 600)::uuid,
        to_timestamp(tick + 0.2 + 2.8 * u_arrival)
    FROM (
        SELECT *,
            30 + coalesce(intensity, 0) * 4 AS signal,
            CASE WHEN u_2 >= 0.02
                 THEN round(10 * (29 + 9 * u_stretch + 5 * u_move + coalesce(intensity, 0) / 40)) / 10
            END AS temperature,
            round(demo.battery_level(seed, number, local_tick)) AS battery,
            round(CASE WHEN u_link < 0.02 THEN 35 + 1500 * u_link ELSE 75 + 25 * u_link END) AS link
        FROM (
            SELECT *,
                CASE WHEN u_move < 0.35 THEN
                    (ARRAY['grip', 'release', 'rotate_left', 'rotate_right', 'flex', 'extend'])
                    [1 + floor(u_move / 0.35 * 6)::integer] END AS movement,
                CASE WHEN u_move < 0.35 THEN round(200 + 750 * u_response) / 10 END AS intensity
            FROM (
                SELECT w.*,
                    demo.firmware_version(seed, number) AS firmware,
                    demo.failing(seed, number) AS failing,
                    demo.pace(seed, number, local_tick) AS pace,
                    demo.unit(seed, number, tick / 600, 'warmth') AS u_stretch,
                    demo.unit(seed, number, tick, 'move') AS u_move,
                    demo.unit(seed, number, tick, 'response') AS u_response,
                    demo.unit(seed, number, tick, 'success') AS u_success,
                    demo.unit(seed, number, tick, 'contact') AS u_contact,
                    demo.unit(seed, number, tick, 'link') AS u_link,
                    demo.unit(seed, number, tick, 'error') AS u_error,
                    demo.unit(seed, number, tick, 'arrival') AS u_arrival,
                    demo.unit(seed, number, tick, '1') AS u_1,
                    demo.unit(seed, number, tick, '2') AS u_2
                FROM demo.worn_seconds(seed, prostheses, since, until) AS w
                ORDER BY tick, number
                OFFSET 0
            ) AS draws
        ) AS moves
        OFFSET 0
    ) AS measures
$$;
