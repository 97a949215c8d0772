CREATE TABLE IF NOT EXISTS storage.model_hours
(
    hour_start       DateTime('UTC')        COMMENT 'The hour, its first second in UTC',
    prosthesis_model LowCardinality(String) COMMENT 'Model name',
    prostheses       UInt32                 COMMENT 'Prostheses of the model that sent telemetry in the hour',
    movements_count  UInt64                 COMMENT 'Their movements in the hour',
    publication      UInt64                 COMMENT 'The attempt that wrote the row; storage.publications says whether it counts',
    written_at       DateTime('UTC') DEFAULT now() COMMENT 'When ClickHouse took the row in; decides how long an attempt that never committed is kept'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(hour_start)
ORDER BY (prosthesis_model, hour_start, publication)
TTL hour_start + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every publication of reports.model_hours'
