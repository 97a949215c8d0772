CREATE SCHEMA IF NOT EXISTS crm;

-- The installer reads this comment before it touches a database: a schema of the
-- same name without it belongs to somebody else and is left alone.
COMMENT ON SCHEMA crm IS 'bionicpro_assets: schema crm';
