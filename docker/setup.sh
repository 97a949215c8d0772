#!/usr/bin/env bash
# Writes config/ with fresh passwords. What is there stays: safe to repeat, also after an upgrade that needs a new file.
#   docker/setup.sh             for source databases of your own: put their URLs into config/platform/*_db_url
#   docker/setup.sh --sources   for the demo sources of docker-compose.yml
# Needs bash and openssl.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

sources=change-me
case "${1:-}" in
    "") ;;
    --sources) sources=demo ;;
    *) sed -n '2,5s/^# \?//p' "$0" >&2; exit 2 ;;
esac

mkdir -p config/{platform,clickhouse,metrics,sources,proxy}
# The containers' users differ, so the files are readable; the folder above them is for its owner only.
chmod 700 config
chmod 755 config/*/

password() { openssl rand -hex 24; }
# write NAME: standard input becomes config/NAME, unless there is one.
write() {
    if [ -e "config/$1" ]; then cat > /dev/null; return; fi
    cat > "config/$1"
    chmod 644 "config/$1"
    echo "wrote config/$1"
}
# user FILE NAME: a door's first user, whose password is shown here and kept nowhere.
user() {
    [ ! -e "config/proxy/$1" ] || return 0
    local secret; secret=$(password)
    printf '%s:%s\n' "$2" "$(openssl passwd -6 -stdin <<< "$secret")" | write "proxy/$1"
    echo "  log in as $2 with the password $secret"
}

password | write platform/dagster_db_password
password | write clickhouse/etl_password
password | write clickhouse/report_reader_password
password | write clickhouse/metrics_password
password | write clickhouse/administrator_password
password | write metrics/dagster_db_password
password | write sources/owner_password
password | write sources/etl_password

write platform/clickhouse_url <<< "http://etl:$(< config/clickhouse/etl_password)@clickhouse:8123/reports"
write metrics/clickhouse_url <<< "http://metrics:$(< config/clickhouse/metrics_password)@clickhouse:8123/reports"
write clickhouse/administrator_url <<< "http://administrator:$(< config/clickhouse/administrator_password)@clickhouse:8123/reports"
write clickhouse/administrator.xml <<XML
<clickhouse>
    <users>
        <default remove="remove"/>
        <administrator>
            <password_sha256_hex>$(printf %s "$(< config/clickhouse/administrator_password)" | openssl dgst -sha256 -r | cut -d' ' -f1)</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <access_management>1</access_management>
        </administrator>
    </users>
</clickhouse>
XML

# An example value that is left is refused at the start, by name.
for name in crm_db telemetry_db; do
    secret=change-me
    [ "$sources" = change-me ] || secret=$(< config/sources/etl_password)
    write "platform/${name}_url" <<< "postgresql://etl:$secret@$name:5432/$name"
done
write platform/settings.env < docker/settings.env.example
write proxy/trusted_proxies <<'CONF'
# Where a proxy of your own stands in front of the doors (TLS, a company's login): its address, a line each, so that
# users are told apart by the addresses that it passes on in X-Forwarded-For. As the doors see it: a proxy on this
# machine comes from the gateway of bionicpro_loopback (docker network inspect). Then: docker compose restart proxy
#set_real_ip_from 192.0.2.10;
CONF
user operators operator
user viewers viewer

if grep -qs change-me config/platform/*_db_url; then
    echo "Now put the addresses of your databases into config/platform/crm_db_url and telemetry_db_url."
fi
