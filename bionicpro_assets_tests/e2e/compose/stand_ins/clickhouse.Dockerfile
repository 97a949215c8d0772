# Stands for clickhouse/clickhouse-server where no registry can be reached: the same engine behind the tests' gateway.
# It knows one password and no users.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
FROM ${PYTHON_IMAGE}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/*
ARG PACKAGES
RUN pip install --no-cache-dir --root-user-action=ignore -q ${PACKAGES}
COPY server.py /server.py
RUN install -d -o 101 -g 101 /var/lib/clickhouse && \
    echo '<clickhouse><backups><allowed_path>/var/lib/clickhouse/backups/</allowed_path></backups></clickhouse>' > /config.xml
VOLUME /var/lib/clickhouse
ENTRYPOINT ["sh", "-c", "exec python /server.py --path \"/var/lib/clickhouse?config-file=/config.xml\" --host 0.0.0.0 --port 8123 --password \"$(cat /run/secrets/clickhouse_etl_password)\""]
