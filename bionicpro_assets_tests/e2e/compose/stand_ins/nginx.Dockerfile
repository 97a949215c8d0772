# Stands for nginx where no registry can be reached: Debian's, with the official image's user and curl.
FROM debian:bookworm-slim
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid 101 --no-create-home nginx && \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends nginx-light curl && rm -rf /var/lib/apt/lists/*
