-- Turns a raw_telemetry that isn't partitioned into one that is, the old table becoming its first partition. No row is
-- copied. Part 1 of 2, while chips send and the platform runs; run by the owner: psql -d telemetry_db -f …
-- A key of a partitioned table must hold what it is partitioned by: the index that the old table's key will be.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS raw_telemetry_before_pkey
    ON telemetry.raw_telemetry (telemetry_id, "timestamp");
