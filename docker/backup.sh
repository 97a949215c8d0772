#!/usr/bin/env bash
# Saves ClickHouse's databases and Dagster's into backups/NAME, with no run at work: the journal and the rows it names
# are of one moment. Takes about as long as copying them; readers notice nothing, a tick of the schedule waits.
#   docker/backup.sh [NAME]      NAME is the time of day in UTC if it isn't given
# Needs curl. A backup that may be read by others than you holds patients' data: backups/ is for its owner only.
cd "$(dirname "$0")/.."
. docker/common.sh
umask 077

name=${1:-$(date -u +%Y-%m-%dT%H-%M-%S)}
[[ $name =~ ^[0-9A-Za-z_-]+$ ]] || { echo "letters, digits, - and _ only: $name" >&2; exit 2; }
[ ! -e "backups/$name" ] || { echo "backups/$name is there already" >&2; exit 2; }
mkdir -p "backups/$name"
trap 'docker compose start dagster_daemon' EXIT
finish_runs
docker compose exec -T dagster_db pg_dump --username=dagster --format=custom dagster > "backups/$name/dagster.dump"
clickhouse "BACKUP $databases TO File('$name')"
mkdir "backups/$name/clickhouse"
docker compose exec -T clickhouse tar -C "/var/lib/clickhouse/backups/$name" -c . | tar -C "backups/$name/clickhouse" -x
docker compose exec -T clickhouse rm -r "/var/lib/clickhouse/backups/$name"
echo "saved backups/$name ($(du -sh "backups/$name" | cut -f1))"
