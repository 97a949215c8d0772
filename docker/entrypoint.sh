#!/bin/sh
# Dagster's storage takes its password from the environment only. It is read from its file here, by the process that
# needs it: what the container was started with, and `docker inspect` shows, holds the file's name.
set -eu
if [ -n "${DAGSTER_POSTGRES_PASSWORD_FILE:-}" ]; then
    DAGSTER_POSTGRES_PASSWORD=$(cat "$DAGSTER_POSTGRES_PASSWORD_FILE")
    export DAGSTER_POSTGRES_PASSWORD
fi
exec "$@"
