-- Only where the platform runs the roll-up (BIONICPRO_ROLLUP=platform): one function to call, and its tables to read.
-- Run by the owner of the function; safe to repeat: psql -d telemetry_db -f sql/telemetry/roles/20_rollup.sql
-- A user gets it with: GRANT bionicpro_telemetry_rollup TO etl
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'bionicpro_telemetry_rollup') THEN
        CREATE ROLE bionicpro_telemetry_rollup NOLOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO bionicpro_telemetry_rollup', current_database());
END
$$;

-- With its owner's rights, so that whoever calls it needs none on the tables it reads and writes: hourly_stats can be
-- changed by rolling up and in no other way. The search path is fixed, or a caller could put a table of its own in
-- the way of one of the function's. A function that isn't this project's needs this file again after it was replaced.
ALTER FUNCTION telemetry.aggregate_hourly_stats(timestamptz)
    SECURITY DEFINER SET search_path = pg_catalog, telemetry, pg_temp;

-- Everybody may run a function by default. One that runs with its owner's rights mustn't be that open.
REVOKE ALL ON FUNCTION telemetry.aggregate_hourly_stats(timestamptz) FROM PUBLIC;

GRANT USAGE ON SCHEMA telemetry TO bionicpro_telemetry_rollup;
GRANT EXECUTE ON FUNCTION telemetry.aggregate_hourly_stats(timestamptz) TO bionicpro_telemetry_rollup;

-- To find rows that came late and hours that were changed by hand, and to compare a roll-up with what was sent. There is
-- nobody's name in these tables. raw_retention and rollup_rules are
-- this project's; a database without them keeps, and counts, all raw rows.
GRANT SELECT ON telemetry.raw_telemetry, telemetry.hourly_stats TO bionicpro_telemetry_rollup;
DO $$
BEGIN
    IF to_regclass('telemetry.raw_retention') IS NOT NULL THEN
        GRANT SELECT ON telemetry.raw_retention TO bionicpro_telemetry_rollup;
    END IF;
    IF to_regclass('telemetry.rollup_rules') IS NOT NULL THEN
        GRANT SELECT ON telemetry.rollup_rules TO bionicpro_telemetry_rollup;
    END IF;
END
$$;

-- The partitions of raw_telemetry are made ahead, and by the owner's setting detached, before every roll-up. Nothing can be
-- chosen by the caller: how long rows are kept stands in raw_retention, which this role can only read.
DO $$
BEGIN
    IF to_regprocedure('telemetry.keep_raw_partitions()') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION telemetry.keep_raw_partitions() TO bionicpro_telemetry_rollup;
    END IF;
END
$$;
