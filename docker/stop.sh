#!/usr/bin/env bash
# Stops the stack when no run is at work, and removes everything but the data.
cd "$(dirname "$0")/.."
. docker/common.sh

finish_runs
docker compose --profile '*' down
