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
