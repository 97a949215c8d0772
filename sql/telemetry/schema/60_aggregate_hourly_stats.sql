-- Rolls the UTC hour that contains the argument up into hourly_stats. Returns the number
-- of rows inserted or really changed; rows that come out the same keep their updated_at.
--
-- Averages of floating-point columns are taken over whole millionths of the unit. A sum
-- of floats depends on the order of the rows, and so on the plan: the last bits would
-- differ from run to run and updated_at would move for nothing. Sums of whole numbers
-- below 2^53 are exact in double precision in any order, where sums of numeric triple the
-- time of the whole roll-up. A sum and a count cost less than avg(), which also keeps the
-- squares. Averages of integer columns are exact in PostgreSQL as they are.
--
-- A reading so absurd that arithmetic with it would overflow makes the average of its chip and hour no number: that row
-- is set aside then. PostgreSQL would refuse the whole hour, of all chips.
--
-- The hour is counted into a temporary table first: a statement that also writes is never
-- spread over several processes, and counting is nearly all of the work.
--
-- It runs with its owner's rights: who may call it needs none on the tables, and can change
-- hourly_stats in no other way. The search path is fixed, or a caller could put a table or a
-- function of its own in the way of the ones meant here. CREATE fails if the caller has made a
-- temporary table of that name, with a trigger on it.
CREATE OR REPLACE FUNCTION telemetry.aggregate_hourly_stats(hour timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, telemetry, pg_temp AS $$
DECLARE
    -- In UTC whatever the session's zone: a zone half an hour off would cut other hours.
    begins CONSTANT timestamptz := date_trunc('hour', hour, 'UTC');
    ends   CONSTANT timestamptz := begins + interval '1 hour';
    stamp     timestamptz;
    is_kept   boolean;
    once      boolean;
    written   integer;
BEGIN
    -- A statement of its own, before any data is read: in READ COMMITTED the next
    -- statement takes a fresh snapshot and sees what the previous holder committed.
    PERFORM pg_advisory_xact_lock(
        'telemetry.hourly_stats'::regclass::oid::integer,
        (extract(epoch FROM begins) / 3600)::integer);

    -- Taken under the lock, so that a row's updated_at never steps back; now() is the
    -- start of the transaction and may lie before a change made while this one waited.
    stamp := clock_timestamp();

    SELECT begins >= kept_since INTO is_kept FROM telemetry.raw_retention;
    IF is_kept IS NOT TRUE THEN
        -- Nobody may take it for an hour without telemetry: it has some, and no statistics that could stay.
        IF EXISTS (SELECT FROM telemetry.raw_telemetry WHERE "timestamp" >= begins AND "timestamp" < ends)
           AND NOT EXISTS (SELECT FROM telemetry.hourly_stats s WHERE s.hour_start = begins) THEN
            RAISE EXCEPTION 'the hour % UTC has readings, was never rolled up, and lies before raw_retention.kept_since. '
                'If all its readings are still there, roll it up after: UPDATE telemetry.raw_retention SET kept_since = ''%+00''',
                begins AT TIME ZONE 'UTC', begins AT TIME ZONE 'UTC';
        END IF;
        RAISE NOTICE 'hour % lies before raw_retention.kept_since: its statistics stay as they are',
            begins AT TIME ZONE 'UTC';
        RETURN 0;
    END IF;

    SELECT each_instant_once INTO once FROM telemetry.rollup_rules;

    CREATE TEMPORARY TABLE hour_counted_afresh ON COMMIT DROP AS
    SELECT
        chip_id,
        count(movement_type)::integer AS movements_count,
        (count(*) FILTER (WHERE movement_type IS NOT NULL AND movement_success))::integer
            AS successful_movements,
        avg(response_time_ms)::double precision AS avg_response_time,
        min(response_time_ms) AS min_response_time,
        max(response_time_ms) AS max_response_time,
        avg(battery_level)::double precision AS avg_battery_level,
        min(battery_level) AS min_battery_level,
        max(battery_level) AS max_battery_level,
        sum(CASE WHEN abs(actuator_temp) > 1e100 THEN 'NaN' ELSE round(actuator_temp * 1e6) END)
            / nullif(count(actuator_temp), 0) / 1e6 AS avg_actuator_temp,
        max(actuator_temp) AS max_actuator_temp,
        count(error_code)::integer AS error_count,
        (count(*) FILTER (WHERE warning_flags > 0))::integer AS warning_count,
        sum(CASE WHEN greatest(abs(myo_channel_1), abs(myo_channel_2), abs(myo_channel_3), abs(myo_channel_4)) > 1e100
            THEN 'NaN' ELSE round(1e6 * sqrt(
                coalesce(myo_channel_1 * myo_channel_1, 0)
                + coalesce(myo_channel_2 * myo_channel_2, 0)
                + coalesce(myo_channel_3 * myo_channel_3, 0)
                + coalesce(myo_channel_4 * myo_channel_4, 0))) END) / count(*) / 1e6 AS avg_myo_amplitude,
        avg(connection_quality)::double precision AS avg_connection_quality
    FROM telemetry.raw_telemetry r
    WHERE "timestamp" >= begins AND "timestamp" < ends
      -- A reading may be delivered again, after a reconnect. Where all are to be counted, nothing is left of this.
      AND (once IS NOT TRUE OR NOT EXISTS (
          SELECT FROM telemetry.raw_telemetry earlier
          WHERE earlier.chip_id = r.chip_id AND earlier."timestamp" = r."timestamp"
            AND earlier.telemetry_id < r.telemetry_id))
    GROUP BY chip_id;

    -- Retention is asked again: kept_since only moves forward, and before rows are purged. An
    -- hour that is still kept here had all its rows when it was counted.
    WITH retention AS (
        SELECT begins >= kept_since AS is_kept FROM telemetry.raw_retention
    ), fresh AS (
        SELECT * FROM pg_temp.hour_counted_afresh WHERE (SELECT r.is_kept FROM retention r)
    ), vanished AS (
        DELETE FROM telemetry.hourly_stats s
        WHERE s.hour_start = begins
          AND (SELECT r.is_kept FROM retention r)
          AND NOT EXISTS (SELECT FROM fresh f WHERE f.chip_id = s.chip_id)
    ), upserted AS (
        INSERT INTO telemetry.hourly_stats AS s (
            chip_id, hour_start, movements_count, successful_movements,
            avg_response_time, min_response_time, max_response_time,
            avg_battery_level, min_battery_level, max_battery_level,
            avg_actuator_temp, max_actuator_temp, error_count, warning_count,
            avg_myo_amplitude, avg_connection_quality, created_at, updated_at)
        SELECT
            chip_id, begins, movements_count, successful_movements,
            avg_response_time, min_response_time, max_response_time,
            avg_battery_level, min_battery_level, max_battery_level,
            avg_actuator_temp, max_actuator_temp, error_count, warning_count,
            avg_myo_amplitude, avg_connection_quality, stamp, stamp
        FROM fresh
        ON CONFLICT (chip_id, hour_start) DO UPDATE SET
            (movements_count, successful_movements,
             avg_response_time, min_response_time, max_response_time,
             avg_battery_level, min_battery_level, max_battery_level,
             avg_actuator_temp, max_actuator_temp, error_count, warning_count,
             avg_myo_amplitude, avg_connection_quality, updated_at)
            = (EXCLUDED.movements_count, EXCLUDED.successful_movements,
               EXCLUDED.avg_response_time, EXCLUDED.min_response_time, EXCLUDED.max_response_time,
               EXCLUDED.avg_battery_level, EXCLUDED.min_battery_level, EXCLUDED.max_battery_level,
               EXCLUDED.avg_actuator_temp, EXCLUDED.max_actuator_temp,
               EXCLUDED.error_count, EXCLUDED.warning_count,
               EXCLUDED.avg_myo_amplitude, EXCLUDED.avg_connection_quality, EXCLUDED.updated_at)
        WHERE (s.movements_count, s.successful_movements,
               s.avg_response_time, s.min_response_time, s.max_response_time,
               s.avg_battery_level, s.min_battery_level, s.max_battery_level,
               s.avg_actuator_temp, s.max_actuator_temp, s.error_count, s.warning_count,
               s.avg_myo_amplitude, s.avg_connection_quality)
            IS DISTINCT FROM
              (EXCLUDED.movements_count, EXCLUDED.successful_movements,
               EXCLUDED.avg_response_time, EXCLUDED.min_response_time, EXCLUDED.max_response_time,
               EXCLUDED.avg_battery_level, EXCLUDED.min_battery_level, EXCLUDED.max_battery_level,
               EXCLUDED.avg_actuator_temp, EXCLUDED.max_actuator_temp,
               EXCLUDED.error_count, EXCLUDED.warning_count,
               EXCLUDED.avg_myo_amplitude, EXCLUDED.avg_connection_quality)
        RETURNING 1
    )
    SELECT count(*) FROM upserted INTO written;

    DROP TABLE pg_temp.hour_counted_afresh;
    RETURN written;
END
$$;

COMMENT ON FUNCTION telemetry.aggregate_hourly_stats(timestamptz) IS
    'Rolls one UTC hour of raw_telemetry up into hourly_stats; idempotent; returns the rows it wrote.';

-- Everybody may run a function by default; one with its owner's rights mustn't be that open.
REVOKE ALL ON FUNCTION telemetry.aggregate_hourly_stats(timestamptz) FROM PUBLIC;
