CREATE TABLE IF NOT EXISTS storage.rejected_telemetry
(
    hour_start             DateTime('UTC')   COMMENT 'The hour, its first second in UTC',
    chip_id                String            COMMENT 'Chip that sent the telemetry',
    reason                 String            COMMENT 'Why the row is not in the reports; with semicolons between, if it is for several reasons',
    no_wearer              UInt8             COMMENT 'Whether it is, among others, because nobody is known to have worn the chip: 1 or 0',
    first_rejected_at      DateTime64(6, 'UTC') COMMENT 'When this row was first set aside',
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
    publication            UInt64            COMMENT 'The attempt that wrote the row; storage.publications says whether it counts',
    written_at             DateTime('UTC') DEFAULT now() COMMENT 'When ClickHouse took the row in; decides how long an attempt that never committed is kept'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(hour_start)
ORDER BY (hour_start, publication, chip_id)
TTL hour_start + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every publication of quarantine.rejected_telemetry'
