-- Writes the statistics of the hours that begin in [since, until) as the roll-up would have left them, each soon after
-- its hour, and says that their raw rows are gone; returns the rows added. A fleet has a history without the hours that
-- rolling up its readings takes: chips are worn in the same stretches as in demo.readings, and have the same pace.
CREATE OR REPLACE FUNCTION demo.append_history(
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
        avg_myo_amplitude, avg_connection_quality, created_at, updated_at)
    SELECT
        chip_id,
        to_timestamp(tick),
        movements,
        movements - round(movements * failing * (0.7 + 0.6 * u_1)),
        (131 + 5 * u_2) * pace,
        floor(80 * pace),
        ceil((232 + 8 * u_1) * pace),
        (battery_from + battery_to) / 2,
        floor(least(battery_from, battery_to)),
        ceil(greatest(battery_from, battery_to)),
        35 + u_1,
        41 + 2 * u_2,
        floor(seconds * 0.001 + u_1),
        floor(seconds * (0.07 + 0.01 * u_2)) + CASE WHEN least(battery_from, battery_to) < 20 THEN seconds / 2 ELSE 0 END,
        55 + 10 * u_2,
        85 + 3 * u_1,
        to_timestamp(tick + 3600 + 300),
        to_timestamp(tick + 3600 + 300)
    FROM (
        SELECT *,
            -- Of ten minutes that a chip is worn, as many seconds are sent, and as many of those are movements.
            (worn * 600 * 0.75 * 0.68 * (0.9 + 0.2 * u_1))::integer AS seconds,
            (worn * 600 * 0.75 * 0.68 * (0.9 + 0.2 * u_1) * 0.35)::integer AS movements,
            demo.failing(seed, number) AS failing,
            demo.pace(seed, number, local_tick) AS pace,
            demo.battery_level(seed, number, local_tick) AS battery_from,
            demo.battery_level(seed, number, local_tick + 3600) AS battery_to
        FROM (
            SELECT c.number, c.chip_id, tick, tick + c.zone_seconds AS local_tick,
                   demo.unit(seed, c.number, tick, 'hour 1') AS u_1,
                   demo.unit(seed, c.number, tick, 'hour 2') AS u_2,
                   count(*) AS worn
            FROM demo.sending_chips(seed, prostheses) AS c
            CROSS JOIN generate_series(
                ceil(extract(epoch FROM since) / 3600)::bigint * 3600,
                ceil(extract(epoch FROM until) / 3600)::bigint * 3600 - 3600, 3600) AS tick
            CROSS JOIN generate_series(tick / 600, tick / 600 + 5) AS stretch
            WHERE demo.is_worn(seed, c.number, stretch, c.zone_seconds)
            GROUP BY c.number, c.chip_id, c.zone_seconds, tick
            OFFSET 0
        ) AS hours
        OFFSET 0
    ) AS measures
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;

    UPDATE telemetry.raw_retention SET kept_since = until WHERE kept_since < until;
    RETURN added;
END
$$;
