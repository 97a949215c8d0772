-- Writes plausible statistics for the hours that begin in [since, until), one row per
-- fitted chip and hour, without any raw rows behind them; returns the rows added. For
-- measuring readers at full size: rolling these hours up would remove them again.
-- Values depend on (seed, chip, hour) alone; created_at and updated_at are real.
CREATE OR REPLACE FUNCTION demo.generate_hourly_stats(
    seed bigint, prostheses integer, since timestamptz, until timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    added bigint;
BEGIN
    INSERT INTO telemetry.hourly_stats (
        chip_id, hour_start, movements_count, successful_movements,
        avg_response_time, min_response_time, max_response_time,
        avg_battery_level, min_battery_level, max_battery_level,
        avg_actuator_temp, max_actuator_temp, error_count, warning_count,
        avg_myo_amplitude, avg_connection_quality)
    SELECT
        chip_id,
        to_timestamp(tick),
        movements,
        round(movements * (0.88 + 0.12 * u_1)),
        -- Nothing moved, nothing to time.
        CASE WHEN movements > 0 THEN 110 + 60 * u_2 END,
        CASE WHEN movements > 0 THEN floor(70 + 40 * u_2) END,
        CASE WHEN movements > 0 THEN ceil(170 + 70 * u_2) END,
        (battery_from + battery_to) / 2,
        floor(least(battery_from, battery_to)),
        ceil(greatest(battery_from, battery_to)),
        29 + 9 * u_1,
        30 + 14 * u_1,
        floor(3 * u_1 ^ 4),
        floor(20 * u_2 ^ 2),
        90 + 200 * u_1,
        70 + 30 * u_2
    FROM (
        SELECT *,
            floor(600 * demo.wear_share(local_tick) * (0.5 + u_1))::integer AS movements,
            demo.battery_level(seed, k, local_tick) AS battery_from,
            demo.battery_level(seed, k, local_tick + 3600) AS battery_to
        FROM (
            SELECT
                k,
                demo.chip_id(k) AS chip_id,
                tick,
                tick + 3600 * (1 + floor(4 * demo.unit(seed, k, 0, 'zone'))::integer) AS local_tick,
                demo.unit(seed, k, tick, 'hour 1') AS u_1,
                demo.unit(seed, k, tick, 'hour 2') AS u_2
            FROM generate_series(
                ceil(extract(epoch FROM since) / 3600)::bigint * 3600,
                ceil(extract(epoch FROM until) / 3600)::bigint * 3600 - 3600, 3600) AS tick
            CROSS JOIN generate_series(1, prostheses) AS k
            WHERE demo.chip_id(k) IS NOT NULL
            OFFSET 0
        ) AS draws
    ) AS measures
    ON CONFLICT DO NOTHING;

    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
