#!/usr/bin/env bash
# Has hours loaded again, by runs like all others, which take their turn. It returns at once;
# `docker compose exec code bionicpro status` shows how far they are.
#   docker/load.sh FIRST LAST      hours in UTC, both included: docker/load.sh 2026-11-24T08:00 2026-11-24T12:00
cd "$(dirname "$0")/.."
. docker/common.sh

hour='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00$'
[[ $# = 2 && $1 =~ $hour && $2 =~ $hour ]] || { sed -n '2,4s/^# \?//p' "$0" >&2; exit 2; }
docker compose exec -T dagster_daemon entrypoint.sh dagster job launch \
    --workspace /app/docker/workspace.yaml --location bionicpro_assets --job bionicpro_load_period \
    --config-json "{\"first_hour\": \"$1\", \"last_hour\": \"$2\"}" > /dev/null
echo "asked for $1 … $2"
