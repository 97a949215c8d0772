-- How raw rows are counted. The owner sets it: UPDATE telemetry.rollup_rules SET each_instant_once = true
CREATE TABLE IF NOT EXISTS telemetry.rollup_rules (
    -- A primary key that can hold one value only: the table cannot get a second row.
    only_row          boolean PRIMARY KEY DEFAULT true
                      CONSTRAINT rollup_rules_only_row_check CHECK (only_row),
    each_instant_once boolean NOT NULL DEFAULT false
);

INSERT INTO telemetry.rollup_rules DEFAULT VALUES ON CONFLICT DO NOTHING;

COMMENT ON TABLE telemetry.rollup_rules IS 'How aggregate_hourly_stats counts raw rows.';
COMMENT ON COLUMN telemetry.rollup_rules.each_instant_once IS
    'Whether of several readings of a chip at the same instant only the first that arrived is counted; otherwise all are.';
