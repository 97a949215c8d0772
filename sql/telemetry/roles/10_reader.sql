-- What the platform needs in the telemetry database when somebody else runs the roll-up: one view, to read.
-- Run by an owner of the schema; safe to repeat: psql -d telemetry_db -f sql/telemetry/roles/10_reader.sql
-- The role can't log in. A user gets it with: CREATE ROLE etl LOGIN PASSWORD '…' IN ROLE bionicpro_telemetry_reader
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'bionicpro_telemetry_reader') THEN
        CREATE ROLE bionicpro_telemetry_reader NOLOGIN;
    END IF;
    -- Everybody may connect by default; where that was taken away, this role may.
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO bionicpro_telemetry_reader', current_database());
END
$$;

GRANT USAGE ON SCHEMA telemetry TO bionicpro_telemetry_reader;
-- A view reads its tables with its owner's rights: the tables themselves stay closed.
GRANT SELECT ON telemetry.v_hourly_telemetry TO bionicpro_telemetry_reader;
-- Reading costs a third if the table may be read too, since it is rounded without `numeric` then, to the same bits:
-- GRANT SELECT ON telemetry.hourly_stats TO bionicpro_telemetry_reader;
