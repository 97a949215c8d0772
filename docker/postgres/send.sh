#!/bin/sh
# Demo telemetry from the newest row up to now, every minute.
set -eu
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD
while :; do
    psql --quiet --no-psqlrc --tuples-only --set ON_ERROR_STOP=1 --output /dev/null --command "
        SELECT demo.append_raw_telemetry(1, 30, date_trunc('second', max(timestamp)) + interval '1 second', date_trunc('second', now()))
        FROM telemetry.raw_telemetry" && touch /tmp/sent
    sleep 60 &
    wait $!
done
