-- What the platform needs in the CRM: one view, to read. Run by an owner of the schema; safe to repeat:
--   psql -d crm_db -f sql/crm/roles/10_reader.sql
-- The role can't log in. A user gets it with: CREATE ROLE etl LOGIN PASSWORD '…' IN ROLE bionicpro_crm_reader
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'bionicpro_crm_reader') THEN
        CREATE ROLE bionicpro_crm_reader NOLOGIN;
    END IF;
    -- Everybody may connect by default; where that was taken away, this role may.
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO bionicpro_crm_reader', current_database());
END
$$;

GRANT USAGE ON SCHEMA crm TO bionicpro_crm_reader;
-- A view reads its tables with its owner's rights: the tables themselves stay closed.
GRANT SELECT ON crm.v_customer_prosthesis TO bionicpro_crm_reader;
