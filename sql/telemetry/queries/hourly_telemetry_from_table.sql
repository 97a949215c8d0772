-- What hourly_telemetry.sql gives of the hours [:since, :until), bit for bit, read from the table under the view and
-- rounded without `numeric`, which took two thirds of the time. Only for views that extract/known_view.py knows.
--
-- An average x. The view says round(x::numeric, 2)::float8. The cast makes a decimal D of the 15 significant digits
-- nearest to x; round() then rounds D, halves away from zero. Below 1e6:
--   * |100 D - 100 x| <= 0.5e-7, for the last of D's digits is worth 1e-9 or less;
--   * |x * 100 - 100 x| <= 0.75e-8, the rounding of one multiplication below 1e8;
--   * x * 100 - round(x * 100) is exact.
-- So where x * 100 is further than 1e-6 from a half, no half lies between it and 100 D: both are nearest to the same
-- integer k, and neither is a tie, so it doesn't matter that round() of a float8 rounds ties to even. k / 100 is the
-- float8 nearest to that decimal, and so is the cast of the view's numeric. `+ 0.0` makes -0 the 0 that numeric has.
-- All other values take the view's way: those near a half; those from 1e6 on, where D's last digit is worth more, and
-- where x * 100 could overflow; infinity, and NaN, which PostgreSQL puts above all numbers. No float8 becomes text on
-- the way, so extra_float_digits doesn't matter.
--
-- The rate. With s of m movements, the view rounds 100 s / m, a quotient of numerics, which is itself rounded to 16
-- significant digits or more: that moves 10000 s / m by less than 1e-11 s / m. An s of 31 bits makes this less than
-- 1 / (2 m), the least distance of 10000 s / m from a half that it isn't on. If it is on one, the quotient ends after 3
-- decimals, and numeric keeps 8 or more of them here. So the first rounding moves nothing to, from or over a half: the
-- view's rate is 10000 s / m, halves up, which is (20000 s + m) / (2 m) in whole numbers, and these fit a bigint. The
-- same is so of s / m * 100, where a half ends after 5 decimals. Division of a negative whole number would round the
-- other way: that one takes the way of numeric.
SELECT
    hour_start::timestamptz,
    left(chip_id, 65)::text AS chip_id,
    movements_count::bigint,
    successful_movements::bigint,
    CASE WHEN movements_count > 0 AND successful_movements >= 0
         THEN ((20000 * successful_movements::bigint + movements_count) / (2 * movements_count::bigint))::float8 / 100
         WHEN movements_count > 0 THEN round(100.0 * successful_movements / movements_count, 2)::float8
         ELSE 0 END AS success_rate,
    CASE WHEN abs(avg_response_time) >= 1e6
         THEN CASE WHEN avg_response_time < 'NaN' AND abs(avg_response_time) >= 1e308 THEN sign(avg_response_time) * 'Infinity'::float8
                   ELSE round(avg_response_time::numeric, 2)::float8 END
         WHEN abs(avg_response_time * 100 - round(avg_response_time * 100)) < 0.499999
         THEN round(avg_response_time * 100) / 100 + 0.0
         ELSE round(avg_response_time::numeric, 2)::float8 END AS avg_response_time,
    min_response_time::bigint,
    max_response_time::bigint,
    CASE WHEN abs(avg_battery_level) >= 1e6
         THEN CASE WHEN avg_battery_level < 'NaN' AND abs(avg_battery_level) >= 1e308 THEN sign(avg_battery_level) * 'Infinity'::float8
                   ELSE round(avg_battery_level::numeric, 2)::float8 END
         WHEN abs(avg_battery_level * 100 - round(avg_battery_level * 100)) < 0.499999
         THEN round(avg_battery_level * 100) / 100 + 0.0
         ELSE round(avg_battery_level::numeric, 2)::float8 END AS avg_battery_level,
    min_battery_level::bigint,
    max_battery_level::bigint,
    CASE WHEN abs(avg_actuator_temp) >= 1e6
         THEN CASE WHEN avg_actuator_temp < 'NaN' AND abs(avg_actuator_temp) >= 1e308 THEN sign(avg_actuator_temp) * 'Infinity'::float8
                   ELSE round(avg_actuator_temp::numeric, 2)::float8 END
         WHEN abs(avg_actuator_temp * 100 - round(avg_actuator_temp * 100)) < 0.499999
         THEN round(avg_actuator_temp * 100) / 100 + 0.0
         ELSE round(avg_actuator_temp::numeric, 2)::float8 END AS avg_actuator_temp,
    CASE WHEN abs(max_actuator_temp) >= 1e6
         THEN CASE WHEN max_actuator_temp < 'NaN' AND abs(max_actuator_temp) >= 1e308 THEN sign(max_actuator_temp) * 'Infinity'::float8
                   ELSE round(max_actuator_temp::numeric, 2)::float8 END
         WHEN abs(max_actuator_temp * 100 - round(max_actuator_temp * 100)) < 0.499999
         THEN round(max_actuator_temp * 100) / 100 + 0.0
         ELSE round(max_actuator_temp::numeric, 2)::float8 END AS max_actuator_temp,
    error_count::bigint,
    warning_count::bigint,
    CASE WHEN abs(avg_myo_amplitude) >= 1e6
         THEN CASE WHEN avg_myo_amplitude < 'NaN' AND abs(avg_myo_amplitude) >= 1e308 THEN sign(avg_myo_amplitude) * 'Infinity'::float8
                   ELSE round(avg_myo_amplitude::numeric, 2)::float8 END
         WHEN abs(avg_myo_amplitude * 100 - round(avg_myo_amplitude * 100)) < 0.499999
         THEN round(avg_myo_amplitude * 100) / 100 + 0.0
         ELSE round(avg_myo_amplitude::numeric, 2)::float8 END AS avg_myo_amplitude,
    CASE WHEN abs(avg_connection_quality) >= 1e6
         THEN CASE WHEN avg_connection_quality < 'NaN' AND abs(avg_connection_quality) >= 1e308 THEN sign(avg_connection_quality) * 'Infinity'::float8
                   ELSE round(avg_connection_quality::numeric, 2)::float8 END
         WHEN abs(avg_connection_quality * 100 - round(avg_connection_quality * 100)) < 0.499999
         THEN round(avg_connection_quality * 100) / 100 + 0.0
         ELSE round(avg_connection_quality::numeric, 2)::float8 END AS avg_connection_quality,
    -- Both functions leave NULL out.
    CASE WHEN updated_at IS NOT NULL
         THEN greatest(least(updated_at, '2299-12-30 00:00+00'), '1900-01-01 00:00+00') END::timestamptz AS updated_at
FROM telemetry.hourly_stats
WHERE hour_start >= :since AND hour_start < :until
