-- What the metrics need of Dagster's database: to read what it says of runs, daemons, assets and checks. Run by the
-- owner of its tables, when they are there; safe to repeat, also after an upgrade of Dagster:
--   psql -d dagster -f sql/dagster/roles/10_metrics.sql
-- The role can't log in. A user gets it with: CREATE ROLE metrics LOGIN PASSWORD '…' IN ROLE bionicpro_metrics
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'bionicpro_metrics') THEN
        CREATE ROLE bionicpro_metrics NOLOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO bionicpro_metrics', current_database());
END
$$;

GRANT USAGE ON SCHEMA public TO bionicpro_metrics;
-- Not what starts runs or keeps the queue in order, and no snapshots of the code.
GRANT SELECT ON runs, daemon_heartbeats, secondary_indexes, event_logs, asset_keys, asset_check_executions, instigators,
    kvs TO bionicpro_metrics;
