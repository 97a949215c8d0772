# For the scripts beside it: sourced, in the folder of docker-compose.yml.
set -euo pipefail

# No new run begins, and the ones at work finish: 35 minutes at most, as no run is allowed longer than 30.
finish_runs() {
    docker compose stop dagster_daemon
    local runs
    for _ in $(seq 1050); do
        runs=$(docker ps --quiet --filter label=bionicpro.run=true | wc -l)
        [ "$runs" -gt 0 ] || return 0
        echo "waiting for $runs runs"
        sleep 2
    done
    echo "runs are still at work: docker ps --filter label=bionicpro.run=true" >&2
    return 1
}

# clickhouse STATEMENT: as the administrator; the password is in no command line.
clickhouse() {
    curl --silent --show-error --fail-with-body --max-time 7200 --user-agent bionicpro \
        --header "X-ClickHouse-User: administrator" \
        --header @<(printf 'X-ClickHouse-Key: %s' "$(< config/clickhouse/administrator_password)") \
        --data-binary "$1" "http://127.0.0.1:${STACK_CLICKHOUSE_PORT:-8123}/"
}

databases="DATABASE storage, DATABASE staging, DATABASE quarantine, DATABASE reports"
