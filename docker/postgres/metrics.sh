#!/bin/bash
# What the metrics may read of Dagster's database, and their user; at every start, when Dagster's tables are there.
set -euo pipefail
PGPASSWORD=$(< /run/secrets/dagster_db_password)
export PGPASSWORD
run() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 "$@"; }

for file in /sql/dagster/roles/*.sql; do
    echo "$file"
    run --file "$file"
done

# psql quotes the password; it stands in no command line and in no log.
run <<'SQL'
\set password `cat /run/secrets/metrics_dagster_db_password`
SET log_statement = 'none';
SELECT 'CREATE ROLE metrics LOGIN CONNECTION LIMIT 20' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'metrics')
\gexec
ALTER ROLE metrics PASSWORD :'password';
GRANT bionicpro_metrics TO metrics;
SQL
