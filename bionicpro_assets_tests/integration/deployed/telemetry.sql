-- A telemetry database as it stands in the field: no table of ours, averages rounded to numeric in the view, and a
-- report_date that follows the session's zone.
CREATE SCHEMA telemetry;
CREATE TABLE telemetry.hourly_stats (
    id bigserial PRIMARY KEY, chip_id varchar(64) NOT NULL, hour_start timestamptz NOT NULL,
    movements_count int, successful_movements int, avg_response_time float, min_response_time int,
    max_response_time int, avg_battery_level float, min_battery_level smallint, max_battery_level smallint,
    avg_actuator_temp float, max_actuator_temp float, error_count int, warning_count int, avg_myo_amplitude float,
    avg_connection_quality float, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    UNIQUE (chip_id, hour_start)
);
CREATE TABLE telemetry.firmware_updates (id serial PRIMARY KEY, chip_id varchar(64), payload bytea);
CREATE VIEW telemetry.v_hourly_telemetry AS
SELECT chip_id, hour_start, date(hour_start) AS report_date, extract(hour FROM hour_start)::int AS report_hour,
       movements_count, successful_movements,
       CASE WHEN movements_count > 0 THEN round(successful_movements::numeric / movements_count * 100, 2) ELSE 0 END
           AS success_rate,
       round(avg_response_time::numeric, 2) AS avg_response_time, min_response_time, max_response_time,
       round(avg_battery_level::numeric, 2) AS avg_battery_level, min_battery_level, max_battery_level,
       round(avg_actuator_temp::numeric, 2) AS avg_actuator_temp, round(max_actuator_temp::numeric, 2) AS max_actuator_temp,
       error_count, warning_count, round(avg_myo_amplitude::numeric, 2) AS avg_myo_amplitude,
       round(avg_connection_quality::numeric, 2) AS avg_connection_quality, updated_at
FROM telemetry.hourly_stats;
