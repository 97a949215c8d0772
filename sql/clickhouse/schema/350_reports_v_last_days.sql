-- The monitoring query queries/monitor_last_days.sql as a view, and beside its columns what they leave open: its
-- avg_response is a mean of hourly means in which an hour without movements counts as 0 ms.
CREATE OR REPLACE VIEW reports.v_last_days
(
    report_date       Date              COMMENT 'Day in the report time zone, the newest first',
    users             UInt64            COMMENT 'Patients with telemetry',
    total_movements   UInt64            COMMENT 'Movements',
    avg_response      Float64           COMMENT 'As the monitoring query has it: mean of the hours'' means, ms, 0 where nothing was measured',
    avg_response_time Nullable(Float64) COMMENT 'Mean time from signal to movement, ms, weighted by movements; NULL without a measurement',
    success_rate      Nullable(Float64) COMMENT 'Successful movements of all movements, percent; NULL without movements',
    rows_of_mart      UInt64            COMMENT 'Rows of the mart: hours with telemetry of all prostheses',
    error_count       UInt64            COMMENT 'Seconds with an error code',
    warning_count     UInt64            COMMENT 'Seconds with a warning flag'
)
AS
SELECT
    report_date,
    count(DISTINCT user_id) AS users,
    sum(toUInt64(m.movements_count)) AS total_movements,
    avg(m.avg_response_time) AS avg_response,
    sumIf(toFloat64(m.avg_response_time) * m.movements_count, m.max_response_time > 0)
        / nullIf(sumIf(toUInt64(m.movements_count), m.max_response_time > 0), 0) AS avg_response_time,
    100 * sum(toUInt64(m.successful_movements)) / nullIf(total_movements, 0) AS success_rate,
    count() AS rows_of_mart,
    sum(toUInt64(m.error_count)) AS error_count,
    sum(toUInt64(m.warning_count)) AS warning_count
FROM reports.user_prosthesis_stats AS m
GROUP BY report_date
ORDER BY report_date DESC
LIMIT 7
COMMENT 'Monitoring: the last seven days'
