-- A partition a UTC day, made ahead by keep_raw_partitions. A reading that comes days late lies in its own day, so
-- that an hour costs the pages of one day at most, however much is kept, and old days leave without a DELETE. A table
-- of an earlier version isn't touched by this file, and works as it did; sql/telemetry/migrate/ turns it into this one.
CREATE TABLE IF NOT EXISTS telemetry.raw_telemetry (
    telemetry_id       bigserial        NOT NULL,
    chip_id            varchar(64)      NOT NULL,
    "timestamp"        timestamptz      NOT NULL,
    myo_channel_1      double precision,
    myo_channel_2      double precision,
    myo_channel_3      double precision,
    myo_channel_4      double precision,
    -- grip, release, rotate_left, rotate_right, flex or extend. No CHECK: a reading must
    -- not be lost because newer firmware knows one more movement.
    movement_type      varchar(50),
    movement_intensity double precision,
    response_time_ms   integer,
    movement_success   boolean          DEFAULT true,
    accelerometer_x    double precision,
    accelerometer_y    double precision,
    accelerometer_z    double precision,
    gyroscope_x        double precision,
    gyroscope_y        double precision,
    gyroscope_z        double precision,
    actuator_temp      double precision,
    grip_pressure      double precision,
    battery_level      smallint,
    battery_voltage    double precision,
    connection_quality smallint,
    error_code         varchar(20),
    warning_flags      integer          DEFAULT 0,
    firmware_version   varchar(20),
    session_id         uuid,
    created_at         timestamptz      DEFAULT now(),
    -- A key of a partitioned table must hold what it is partitioned by.
    PRIMARY KEY (telemetry_id, "timestamp")
) PARTITION BY RANGE ("timestamp");

-- Readings of days that have no partition: a chip with a wrong clock, a day whose partition was detached, or a day
-- that nobody made a partition for in time. Nothing is refused, and nothing is lost.
DO $$
BEGIN
    IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'telemetry.raw_telemetry'::regclass) THEN
        CREATE TABLE IF NOT EXISTS telemetry.raw_telemetry_default
            PARTITION OF telemetry.raw_telemetry DEFAULT;
    END IF;
END
$$;

-- The roll-up reads one hour of all chips. Rows arrive in time order, so an hour lies in
-- neighbouring pages and a BRIN index finds it at a thousandth of a btree's size and
-- next to no cost per insert. Autosummarize, because the newest pages are the ones read.
CREATE INDEX IF NOT EXISTS raw_telemetry_timestamp_brin ON telemetry.raw_telemetry
    USING brin ("timestamp") WITH (pages_per_range = 32, autosummarize = on);

-- Looking into one prosthesis reads a few thousand rows out of millions: BRIN cannot
-- tell chips apart, as every page holds rows of all of them.
CREATE INDEX IF NOT EXISTS raw_telemetry_chip_id_timestamp_idx
    ON telemetry.raw_telemetry (chip_id, "timestamp");

COMMENT ON TABLE telemetry.raw_telemetry IS
    'Readings as the chips send them, about one a second per prosthesis in use.';
COMMENT ON COLUMN telemetry.raw_telemetry."timestamp" IS 'When the chip measured.';
COMMENT ON COLUMN telemetry.raw_telemetry.created_at IS 'When the reading arrived.';
COMMENT ON COLUMN telemetry.raw_telemetry.myo_channel_1 IS 'Muscle signal, microvolts.';
COMMENT ON COLUMN telemetry.raw_telemetry.myo_channel_2 IS 'Muscle signal, microvolts.';
COMMENT ON COLUMN telemetry.raw_telemetry.myo_channel_3 IS 'Muscle signal, microvolts.';
COMMENT ON COLUMN telemetry.raw_telemetry.myo_channel_4 IS 'Muscle signal, microvolts.';
COMMENT ON COLUMN telemetry.raw_telemetry.movement_type IS 'Null when the reading holds no movement.';
COMMENT ON COLUMN telemetry.raw_telemetry.movement_intensity IS 'Percent.';
COMMENT ON COLUMN telemetry.raw_telemetry.response_time_ms IS 'Milliseconds from signal to motion.';
COMMENT ON COLUMN telemetry.raw_telemetry.actuator_temp IS 'Degrees Celsius.';
COMMENT ON COLUMN telemetry.raw_telemetry.grip_pressure IS 'Newtons.';
COMMENT ON COLUMN telemetry.raw_telemetry.battery_level IS 'Percent.';
COMMENT ON COLUMN telemetry.raw_telemetry.battery_voltage IS 'Volts.';
COMMENT ON COLUMN telemetry.raw_telemetry.connection_quality IS 'Percent.';
COMMENT ON COLUMN telemetry.raw_telemetry.warning_flags IS 'Bit mask; 0 is no warning.';
