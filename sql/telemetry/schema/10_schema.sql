CREATE SCHEMA IF NOT EXISTS telemetry;

-- The installer reads this comment before it touches a database: a schema of the
-- same name without it belongs to somebody else and is left alone.
COMMENT ON SCHEMA telemetry IS 'bionicpro_assets: schema telemetry';
