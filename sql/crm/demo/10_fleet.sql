-- The demo fleet. The two databases cannot see each other and must agree on it, so this
-- file is the same, byte for byte, in the demo folder of both.
CREATE SCHEMA IF NOT EXISTS demo;

COMMENT ON SCHEMA demo IS 'bionicpro_assets: generators of demo data';

-- A number in [0, 1) that depends on nothing but its arguments. All demo data is drawn
-- from it: random() would give other data on every run, and could not give the same
-- reading whether a day is generated at once or in pieces. The hash functions are
-- PostgreSQL's own; versions 15 and 18 were seen to draw the same fleet.
CREATE OR REPLACE FUNCTION demo.unit(seed bigint, subject bigint, moment bigint, salt text)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- 53 bits, what a double holds; the mask drops the sign that >> spreads.
    SELECT ((hashint8extended(moment, hashint8extended(subject, hashtextextended(salt, seed)))
             >> 11) & 9007199254740991)::double precision / 9007199254740992
$$;

-- n with leading zeros; lpad alone would cut longer numbers short.
CREATE OR REPLACE FUNCTION demo.padded(n bigint, width integer)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lpad(n::text, greatest(width, length(n::text)), '0')
$$;

-- Status of prosthesis number k (1, 2, …), the same for every seed and fleet size.
-- Of every 15: 2 have no chip yet, 1 is in maintenance, 1 is retired, 11 are active.
CREATE OR REPLACE FUNCTION demo.prosthesis_status(k integer)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE k % 15
        WHEN 0  THEN 'manufactured'
        WHEN 8  THEN 'sold'
        WHEN 4  THEN 'maintenance'
        WHEN 11 THEN 'retired'
        ELSE 'active'
    END
$$;

-- Chip of prosthesis number k: null until fitted; a retired unit keeps its chip.
CREATE OR REPLACE FUNCTION demo.chip_id(k integer)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN demo.prosthesis_status(k) NOT IN ('manufactured', 'sold')
                THEN 'CHIP-' || demo.padded(k, 6)
    END
$$;

CREATE OR REPLACE FUNCTION demo.firmware_version(seed bigint, k integer)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY['2.3.1', '2.4.0', '2.4.2', '3.0.0'])
           [1 + floor(4 * demo.unit(seed, k, 0, 'firmware'))::integer]
$$;
