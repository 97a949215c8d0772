CREATE TABLE IF NOT EXISTS telemetry.raw_retention (
    -- A primary key that can hold one value only: the table cannot get a second row.
    only_row   boolean     PRIMARY KEY DEFAULT true
               CONSTRAINT raw_retention_only_row_check CHECK (only_row),
    kept_since timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO telemetry.raw_retention DEFAULT VALUES ON CONFLICT DO NOTHING;

COMMENT ON TABLE telemetry.raw_retention IS
    'Since when raw_telemetry is complete. Whoever purges raw rows moves kept_since forward '
    'before deleting them, or in the same transaction: an hour that began earlier is never '
    'rolled up again, so that its statistics outlive its raw rows.';

-- For how long raw rows are wanted. What is older is detached by keep_raw_partitions, a day at a time; no row of these
-- two columns is set by the platform, which may run the roll-up and decides nothing about the owner's data.
ALTER TABLE telemetry.raw_retention
    ADD COLUMN IF NOT EXISTS keep_days integer
        CONSTRAINT raw_retention_keep_days_check CHECK (keep_days >= 8),
    ADD COLUMN IF NOT EXISTS drop_detached boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN telemetry.raw_retention.kept_since IS
    'Raw rows before this may be gone, and their hours are never rolled up again.';
COMMENT ON COLUMN telemetry.raw_retention.keep_days IS
    'Days of raw rows to keep beside today, at least 8, since hours of the last 7 are caught up with; null keeps all.';
COMMENT ON COLUMN telemetry.raw_retention.drop_detached IS
    'Whether a day that was detached is dropped; otherwise it stays as a table of its own, for an archive.';
