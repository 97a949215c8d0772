-- The upkeep of raw_telemetry, see sql/telemetry/schema/35_raw_partitions.sql.
SELECT made, detached, outside FROM telemetry.keep_raw_partitions()
