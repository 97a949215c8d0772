-- Telemetry = mart + quarantine, hour by hour: rows, and sums that change when a row is lost, doubled or altered.
WITH sums AS (
    SELECT 'telemetry' AS side, toUnixTimestamp(hour_start) AS hour_seconds, toInt64(1) AS n, chip_id,
           toInt64(ifNull(movements_count, 0)) AS movements, toInt64(ifNull(successful_movements, 0)) AS successful,
           toInt64(ifNull(error_count, 0)) AS errors, toInt64(ifNull(warning_count, 0)) AS warnings
    FROM :telemetry
    UNION ALL
    SELECT 'rejected', toUnixTimestamp(hour_start), 1, chip_id, toInt64(ifNull(movements_count, 0)),
           toInt64(ifNull(successful_movements, 0)), toInt64(ifNull(error_count, 0)), toInt64(ifNull(warning_count, 0))
    FROM :rejected
    UNION ALL
    SELECT 'mart', toUnixTimestamp(hour_start), 1, chip_id, toInt64(movements_count), toInt64(successful_movements),
           toInt64(error_count), toInt64(warning_count)
    FROM :rows
),
chips AS (
    SELECT hour_seconds, chip_id,
           sum(if(side = 'telemetry', n, -n)) AS rows_off,
           sum(if(side = 'telemetry', 1, -1) * movements) != 0 OR sum(if(side = 'telemetry', 1, -1) * successful) != 0
           OR sum(if(side = 'telemetry', 1, -1) * errors) != 0 OR sum(if(side = 'telemetry', 1, -1) * warnings) != 0 AS sums_off
    FROM sums
    GROUP BY hour_seconds, chip_id
)
SELECT hour_seconds, count() AS checked, countIf(rows_off != 0 OR sums_off) AS failed,
       groupArrayIf(5)(
           format('chip {}: {}', chip_id, multiIf(rows_off > 0, 'lost', rows_off < 0, 'doubled', 'other counts')),
           rows_off != 0 OR sums_off) AS sample
FROM chips
GROUP BY hour_seconds
