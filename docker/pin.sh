#!/usr/bin/env bash
# Pins the images of others: a tag may name another build tomorrow, a digest can't. Fetches what .env (or else
# docker-compose.yml) names by a tag, and writes the digests of what came into .env. To take newer builds, remove these
# lines from .env and call it again.
#   docker/pin.sh
set -euo pipefail
cd "$(dirname "$0")/.."

touch .env
for variable in STACK_PYTHON_IMAGE STACK_POSTGRES_IMAGE STACK_CLICKHOUSE_IMAGE STACK_NGINX_IMAGE; do
    image=$(sed -n "s/^$variable=//p" .env)
    [ -n "$image" ] || image=$(sed -n "s/.*\${$variable:-\([^}]*\)}.*/\1/p" docker-compose.yml | head -n 1)
    if [[ $image == *@sha256:* ]]; then echo "$variable is pinned"; continue; fi
    docker pull --quiet "$image" > /dev/null
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" | grep -F "${image%:*}@" | head -n 1 || true)
    [[ $digest =~ ^[^[:space:]]+@sha256:[0-9a-f]{64}$ ]] || { echo "$image has no digest: it doesn't come from a registry" >&2; exit 1; }
    # The tag stays, for people; Docker goes by the digest.
    sed -i "/^$variable=/d" .env
    echo "$variable=$image@${digest##*@}" >> .env
    echo "pinned $image@${digest##*@}"
done
