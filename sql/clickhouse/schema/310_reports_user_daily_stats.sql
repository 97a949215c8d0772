-- The day, computed from the mart's rows whenever it is read: it can't be stale, and an hour that is loaded again, in
-- whatever order, is in it at once. What that costs, and why it isn't a table: docs/reports.md.
--
-- It reads the storage as reports.user_prosthesis_stats does (230), because that view has no hour_start, and where a zone
-- repeats an hour in autumn report_date and report_hour are those of two hours.
--
-- What the mart has as 0 without a measurement is left out of every average, by the maximum of the same measure: an
-- average or a minimum of 0 can be measured. NULL is what was never measured on the day.
CREATE OR REPLACE VIEW reports.user_daily_stats
(
    user_id                String            COMMENT 'The patient''s login in the CRM (customers.external_id)',
    prosthesis_id          UInt32            COMMENT 'The CRM''s number of the prosthesis',
    report_date            Date              COMMENT 'Day in the report time zone; 23 or 25 hours long when clocks change',
    customer_name          String            COMMENT 'Last, first and middle name, as of the day''s last hour',
    prosthesis_model       String            COMMENT 'Model name, as of the day''s last hour',
    prosthesis_category    String            COMMENT 'arm, leg, hand or finger',
    prosthesis_serial      String            COMMENT 'Serial number',
    hours_active           UInt8             COMMENT 'Hours in which the prosthesis sent telemetry, whether it moved or not',
    movements_count        UInt64            COMMENT 'Movements of the day',
    successful_movements   UInt64            COMMENT 'Of those, the ones that succeeded',
    success_rate           Nullable(Float64) COMMENT 'Successful movements of all movements of the day, percent; NULL without movements',
    avg_response_time      Nullable(Float64) COMMENT 'Mean time from signal to movement, ms: of the hours'' means, each weighted by its movements; NULL without a measurement',
    timed_movements        UInt64            COMMENT 'Weight of avg_response_time: movements in the hours that measured one',
    min_battery_level      Nullable(UInt8)   COMMENT 'Lowest battery level of the day, percent; NULL without a measurement',
    avg_battery_level      Nullable(Float64) COMMENT 'Mean battery level while it was on, percent: every hour with a measurement counts the same, however much it moved; NULL without one',
    battery_hours          UInt64            COMMENT 'Weight of avg_battery_level: hours with a measurement',
    max_actuator_temp      Nullable(Float32) COMMENT 'Highest actuator temperature of the day, degrees Celsius; NULL without a measurement',
    error_count            UInt64            COMMENT 'Seconds with an error code',
    warning_count          UInt64            COMMENT 'Seconds with a warning flag',
    avg_connection_quality Nullable(Float64) COMMENT 'Mean connection quality while it was on, percent: every hour with a measurement counts the same; NULL without one',
    connection_hours       UInt64            COMMENT 'Weight of avg_connection_quality: hours with a measurement',
    etl_processed_at       DateTime          COMMENT 'When the newest of the day''s rows was produced'
)
AS
SELECT
    user_id,
    prosthesis_id,
    report_date,
    argMax(m.customer_name, hour_start) AS customer_name,
    argMax(m.prosthesis_model, hour_start) AS prosthesis_model,
    argMax(toString(m.prosthesis_category), hour_start) AS prosthesis_category,
    argMax(m.prosthesis_serial, hour_start) AS prosthesis_serial,
    -- Different hours, not rows: in the hour in which a prosthesis gets another chip it has a row for each of the two.
    -- A bit for each hour; a day has fewer than 64.
    bitCount(groupBitOr(bitShiftLeft(toUInt64(1), intDiv(toUnixTimestamp(hour_start), 3600) % 64))) AS hours_active,
    sum(toUInt64(m.movements_count)) AS movements_count,
    sum(toUInt64(m.successful_movements)) AS successful_movements,
    100 * successful_movements / nullIf(movements_count, 0) AS success_rate,
    sumIf(toFloat64(m.avg_response_time) * m.movements_count, m.max_response_time > 0) / nullIf(timed_movements, 0)
        AS avg_response_time,
    sumIf(toUInt64(m.movements_count), m.max_response_time > 0) AS timed_movements,
    minOrNullIf(m.min_battery_level, m.max_battery_level > 0) AS min_battery_level,
    sumIf(toFloat64(m.avg_battery_level), m.max_battery_level > 0) / nullIf(battery_hours, 0) AS avg_battery_level,
    countIf(m.max_battery_level > 0) AS battery_hours,
    -- Both are 0 without a measurement; an actuator that is at exactly 0 degrees all the hour isn't told from it.
    maxOrNullIf(m.max_actuator_temp, m.max_actuator_temp != 0 OR m.avg_actuator_temp != 0) AS max_actuator_temp,
    sum(toUInt64(m.error_count)) AS error_count,
    sum(toUInt64(m.warning_count)) AS warning_count,
    sumIf(toFloat64(m.avg_connection_quality), m.avg_connection_quality > 0) / nullIf(connection_hours, 0)
        AS avg_connection_quality,
    countIf(m.avg_connection_quality > 0) AS connection_hours,
    max(m.etl_processed_at) AS etl_processed_at
FROM storage.user_prosthesis_stats_rows AS m
WHERE (hour_start, publication) IN (
    SELECT hour_start, argMax(publication, (source_read_at, started_at, publication))
    FROM storage.publications
    WHERE table_name = 'reports.user_prosthesis_stats'
    GROUP BY hour_start
)
GROUP BY user_id, prosthesis_id, report_date
COMMENT 'What every prosthesis did on every day: one row per user, prosthesis and day of the report time zone'
