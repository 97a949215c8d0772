-- When each chip of the demo fleet sends a reading, and how charged it is then.

-- Chips that send: the prostheses in use, and one that the CRM has never heard of, as
-- real telemetry has (swapped on the bench, sold through another channel): number 0,
-- which runs on a bench day and night, so that every hour shows what becomes of it. A
-- unit in maintenance still sends; a retired one is in a drawer.
-- zone_seconds shifts the day of a wearer against UTC, by one to four hours.
CREATE OR REPLACE FUNCTION demo.sending_chips(seed bigint, prostheses integer)
RETURNS TABLE (number integer, chip_id text, zone_seconds integer)
LANGUAGE sql STABLE AS $$
    SELECT n,
           CASE WHEN n = 0 THEN 'CHIP-UNKNOWN-1' ELSE demo.chip_id(n) END,
           3600 * (1 + floor(4 * demo.unit(seed, n, 0, 'zone'))::integer)
    FROM generate_series(0, prostheses) AS n
    WHERE n = 0 OR demo.prosthesis_status(n) IN ('active', 'maintenance')
$$;

-- Share of the ten-minute stretches of a local hour in which a prosthesis is worn; at weekends less. Day 0 of the epoch
-- was a Thursday.
CREATE OR REPLACE FUNCTION demo.wear_share(local_second bigint)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY[
        0.03, 0.02, 0.02, 0.02, 0.02, 0.05, 0.25, 0.50, 0.60, 0.65, 0.65, 0.60,
        0.60, 0.60, 0.65, 0.65, 0.65, 0.65, 0.60, 0.60, 0.55, 0.45, 0.30, 0.10
        ]::double precision[])[1 + (local_second / 3600 % 24)::integer]
        * CASE WHEN (local_second / 86400 + 3) % 7 >= 5 THEN 0.7 ELSE 1 END
$$;

-- Whether a chip is worn in a stretch of ten minutes. Number 0 always runs.
CREATE OR REPLACE FUNCTION demo.is_worn(seed bigint, number integer, stretch bigint, zone_seconds integer)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT number = 0
        OR demo.unit(seed, number, stretch, 'stretch') < demo.wear_share(stretch * 600 + zone_seconds)
$$;

-- How slow a prosthesis is beside the others: each has its own pace, and a little of it by the local day.
CREATE OR REPLACE FUNCTION demo.pace(seed bigint, number integer, local_second bigint)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 0.88 + 0.24 * demo.unit(seed, number, 0, 'pace') + 0.06 * demo.unit(seed, number, local_second / 86400, 'pace')
$$;

-- Share of a prosthesis' movements that don't succeed.
CREATE OR REPLACE FUNCTION demo.failing(seed bigint, number integer)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 0.04 + 0.06 * demo.unit(seed, number, 0, 'failing')
$$;

-- Battery in percent. Full at seven, down by 45 to 85 points at eleven at night, then on
-- the charger for three hours. The day begins at seven, so that the drain of one day holds
-- until it is charged again.
CREATE OR REPLACE FUNCTION demo.battery_level(seed bigint, number integer, local_second bigint)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 100 - (45 + 40 * demo.unit(seed, number, (local_second - 25200) / 86400, 'drain'))
        * CASE WHEN (local_second - 25200) % 86400 < 57600
               THEN (local_second - 25200) % 86400 / 57600.0
               ELSE greatest(0, 1 - ((local_second - 25200) % 86400 - 57600) / 10800.0)
          END::double precision
$$;

-- The seconds in [since, until) in which a chip sends. Wear comes in stretches of ten
-- minutes, with idle minutes and skipped seconds inside; each is drawn from its own
-- number alone, so that the borders of the call cannot matter.
CREATE OR REPLACE FUNCTION demo.worn_seconds(
    seed bigint, prostheses integer, since timestamptz, until timestamptz)
RETURNS TABLE (number integer, chip_id text, tick bigint, local_tick bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.number, c.chip_id, tick, tick + c.zone_seconds
    FROM (SELECT ceil(extract(epoch FROM since))::bigint AS first_tick,
                 ceil(extract(epoch FROM until))::bigint - 1 AS last_tick) AS span
    CROSS JOIN LATERAL generate_series(first_tick / 600, last_tick / 600) AS stretch
    CROSS JOIN demo.sending_chips(seed, prostheses) AS c
    CROSS JOIN LATERAL generate_series(stretch * 10, stretch * 10 + 9) AS minute
    CROSS JOIN LATERAL generate_series(greatest(minute * 60, first_tick),
                                       least(minute * 60 + 59, last_tick)) AS tick
    WHERE demo.is_worn(seed, c.number, stretch, c.zone_seconds)
      AND demo.unit(seed, c.number, minute, 'minute') < 0.75
      AND demo.unit(seed, c.number, tick, 'second') < 0.68
$$;
