#!/bin/bash
# A source database with demo data, at its first start: the schema, the roles, the user etl, a small fleet.
set -euo pipefail
run() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"; }

for file in "/sql/$SCHEMA"/schema/*.sql "/sql/$SCHEMA"/roles/*.sql "/sql/$SCHEMA"/demo/*.sql; do
    echo "$file"
    run --file "$file"
done

# psql quotes the password; it stands in no command line and in no log.
run <<SQL
\set password \`cat "$ETL_PASSWORD_FILE"\`
SET log_statement = 'none';
CREATE ROLE etl LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
GRANT bionicpro_${SCHEMA}_reader TO etl;
SQL
if [ "$SCHEMA" = crm ]; then
    run --command "SELECT demo.generate_crm(1, 30)"
else
    run --command "GRANT bionicpro_telemetry_rollup TO etl"
    run --command "SELECT demo.append_raw_telemetry(1, 30, date_trunc('hour', now()) - interval '6 hours', date_trunc('second', now()))"
fi
