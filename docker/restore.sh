#!/usr/bin/env bash
# Puts back what docker/backup.sh saved, in place of what is there now. The stack must be up; it is again at the end.
#   docker/restore.sh NAME
cd "$(dirname "$0")/.."
. docker/common.sh

name=${1:-}
[[ $name =~ ^[0-9A-Za-z_-]+$ && -d backups/$name ]] || { echo "which one? $(ls backups 2>/dev/null | tr '\n' ' ')" >&2; exit 2; }
finish_runs
docker compose stop proxy dagster_webserver dagster_webserver_viewers code metrics
# As ClickHouse's user, who owns the folder; in that container nobody may give files to somebody else.
docker compose exec -T clickhouse mkdir -p "/var/lib/clickhouse/backups/$name"
tar -C "backups/$name/clickhouse" -c . | docker compose exec -T clickhouse tar -C "/var/lib/clickhouse/backups/$name" --no-same-owner -x
for database in reports quarantine staging storage; do
    clickhouse "DROP DATABASE IF EXISTS $database SYNC"
done
clickhouse "RESTORE $databases FROM File('$name')"
docker compose exec -T clickhouse rm -r "/var/lib/clickhouse/backups/$name"
docker compose exec -T dagster_db pg_restore --username=dagster --dbname=dagster --clean --if-exists --single-transaction \
    < "backups/$name/dagster.dump"
docker compose up --detach --wait
echo "restored backups/$name; compare with the sources: docker compose exec code bionicpro verify --from … --to …"
