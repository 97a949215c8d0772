-- One look at the rows of the quarantine: how many, their checksum, their part of the telemetry, and by hour how many rows
-- the claims on them may be about. Of the hours' telemetry the journal's counts are given.
SELECT
    toUnixTimestamp(hour_start) AS hour_seconds, :readers_hour AS readers_hour, count() AS row_count, :checksum AS checksum,
    :accounting AS accounting,
    countIf(no_wearer) AS unworn,
    transform(hour_seconds, {known_hours:Array(UInt32)}, {known_rows:Array(UInt64)}, toUInt64(0)) AS telemetry,
    if(unworn > {every_chip_known_share:Float64} * telemetry AND unworn >= {every_chip_known_least:UInt32}, unworn, 0) AS unknown_chips,
    if(unworn > {most_telemetry_attributed_share:Float64} * telemetry AND unworn >= {most_telemetry_attributed_least:UInt32},
       unworn, 0) AS unattributed,
    countIf(NOT no_wearer) AS rejected_values
FROM :rows
GROUP BY hour_seconds, readers_hour
