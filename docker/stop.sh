#!/usr/bin/env bash
# Stops the stack when no run is at work: no new run begins, the ones at work finish (35 minutes at most: no run is
# allowed longer than 30), then everything is stopped and removed but the data.
set -euo pipefail
cd "$(dirname "$0")/.."

docker compose --profile '*' stop dagster_daemon
for _ in $(seq 1050); do
    runs=$(docker ps --quiet --filter label=bionicpro.run=true | wc -l)
    [ "$runs" -gt 0 ] || break
    echo "waiting for $runs runs"
    sleep 2
done
docker compose --profile '*' down
