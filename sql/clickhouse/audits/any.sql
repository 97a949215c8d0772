-- A table without claims: rows and checksum of every hour.
SELECT toUnixTimestamp(hour_start) AS hour_seconds, :readers_hour AS readers_hour, count() AS row_count, :checksum AS checksum
FROM :rows
GROUP BY hour_seconds, readers_hour
