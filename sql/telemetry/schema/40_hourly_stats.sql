CREATE TABLE IF NOT EXISTS telemetry.hourly_stats (
    id                     bigserial        PRIMARY KEY,
    chip_id                varchar(64)      NOT NULL,
    hour_start             timestamptz      NOT NULL,
    movements_count        integer          NOT NULL DEFAULT 0,
    successful_movements   integer          NOT NULL DEFAULT 0,
    avg_response_time      double precision,
    min_response_time      integer,
    max_response_time      integer,
    avg_battery_level      double precision,
    min_battery_level      smallint,
    max_battery_level      smallint,
    avg_actuator_temp      double precision,
    max_actuator_temp      double precision,
    error_count            integer          NOT NULL DEFAULT 0,
    warning_count          integer          NOT NULL DEFAULT 0,
    avg_myo_amplitude      double precision,
    avg_connection_quality double precision,
    created_at             timestamptz      NOT NULL DEFAULT now(),
    updated_at             timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT hourly_stats_chip_id_hour_start_key UNIQUE (chip_id, hour_start)
);

-- Reports and the roll-up read whole hours; the unique constraint leads with the chip.
CREATE INDEX IF NOT EXISTS hourly_stats_hour_start_idx ON telemetry.hourly_stats (hour_start);

-- Finds the hours written since a reader last looked, however old the hours are.
CREATE INDEX IF NOT EXISTS hourly_stats_updated_at_idx ON telemetry.hourly_stats (updated_at);

COMMENT ON TABLE telemetry.hourly_stats IS
    'One row per chip and UTC hour with readings; written by aggregate_hourly_stats.';
COMMENT ON COLUMN telemetry.hourly_stats.avg_response_time IS
    'Milliseconds, over readings that carry one; null when none does.';
COMMENT ON COLUMN telemetry.hourly_stats.avg_battery_level IS 'Percent.';
COMMENT ON COLUMN telemetry.hourly_stats.avg_actuator_temp IS 'Degrees Celsius.';
COMMENT ON COLUMN telemetry.hourly_stats.avg_myo_amplitude IS
    'Microvolts: mean length of the four-channel vector, a missing channel counting as 0.';
COMMENT ON COLUMN telemetry.hourly_stats.avg_connection_quality IS 'Percent.';
COMMENT ON COLUMN telemetry.hourly_stats.updated_at IS
    'Last time a value of the row changed; a roll-up that finds the same values leaves it.';
