CREATE TABLE IF NOT EXISTS storage.hourly_telemetry
(
    hour_start             DateTime('UTC')   COMMENT 'The hour, its first second in UTC',
    chip_id                String            COMMENT 'Chip that sent the telemetry',
    movements_count        Nullable(Int64)   COMMENT 'Movements in the hour',
    successful_movements   Nullable(Int64)   COMMENT 'Of those, the ones that succeeded',
    success_rate           Nullable(Float64) COMMENT 'Successful movements, percent; 0 without movements',
    avg_response_time      Nullable(Float64) COMMENT 'Mean time from signal to movement, ms',
    min_response_time      Nullable(Int64)   COMMENT 'Shortest response time, ms',
    max_response_time      Nullable(Int64)   COMMENT 'Longest response time, ms',
    avg_battery_level      Nullable(Float64) COMMENT 'Mean battery level, percent',
    min_battery_level      Nullable(Int64)   COMMENT 'Lowest battery level, percent',
    max_battery_level      Nullable(Int64)   COMMENT 'Highest battery level, percent',
    avg_actuator_temp      Nullable(Float64) COMMENT 'Mean actuator temperature, degrees Celsius',
    max_actuator_temp      Nullable(Float64) COMMENT 'Highest actuator temperature, degrees Celsius',
    error_count            Nullable(Int64)   COMMENT 'Seconds with an error code',
    warning_count          Nullable(Int64)   COMMENT 'Seconds with a warning flag',
    avg_myo_amplitude      Nullable(Float64) COMMENT 'Mean muscle signal over the four channels, microvolts',
    avg_connection_quality Nullable(Float64) COMMENT 'Mean connection quality, percent',
    updated_at             Nullable(DateTime64(6, 'UTC')) COMMENT 'When the hourly roll-up last changed the row; cut to the years 1900 to 2299',
    source_fault           LowCardinality(String) COMMENT 'Why the row can''t be used, if that isn''t in its values: it has another row beside it, or is of no whole hour',
    publication            UInt64            COMMENT 'The attempt that wrote the row; storage.publications says whether it counts',
    written_at             DateTime('UTC') DEFAULT now() COMMENT 'When ClickHouse took the row in; decides how long an attempt that never committed is kept'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(hour_start)
ORDER BY (hour_start, publication, chip_id)
TTL hour_start + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every publication of staging.hourly_telemetry'
