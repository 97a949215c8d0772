-- What raw_telemetry consists of. A table that isn't partitioned has no rows here.
CREATE OR REPLACE VIEW telemetry.raw_partitions AS
SELECT
    c.oid::regclass AS partition,
    bounds = 'DEFAULT' AS is_default,
    CASE WHEN bounds ~ 'FROM \(MINVALUE\)' THEN '-infinity'
         ELSE substring(bounds FROM 'FROM \(''([^'']+)''\)')::timestamptz END AS since,
    CASE WHEN bounds ~ 'TO \(MAXVALUE\)' THEN 'infinity'
         ELSE substring(bounds FROM 'TO \(''([^'']+)''\)')::timestamptz END AS until
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bounds
WHERE i.inhparent = to_regclass('telemetry.raw_telemetry') AND c.relispartition;

COMMENT ON VIEW telemetry.raw_partitions IS 'The partitions of raw_telemetry and the instants [since, until) of each.';

-- Makes the partitions of the days of [since, until] that have none; returns how many. Readings of those days that the
-- default partition took in meanwhile move over, in the same transaction. Days before raw_retention.kept_since get none.
CREATE OR REPLACE FUNCTION telemetry.make_raw_partitions(since timestamptz, until timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, telemetry, pg_temp AS $$
DECLARE
    day  timestamptz;
    name text;
    made integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM telemetry.raw_partitions) THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock('telemetry.raw_telemetry'::regclass::oid::integer, 0);
    FOR day IN
        SELECT wanted
        FROM generate_series(date_trunc('day', since, 'UTC'), until, interval '24 hours') AS wanted
        WHERE wanted + interval '24 hours' > (SELECT kept_since FROM telemetry.raw_retention)
          AND NOT EXISTS (SELECT FROM telemetry.raw_partitions p
                          WHERE p.since < wanted + interval '24 hours' AND p.until > wanted)
    LOOP
        name := 'raw_telemetry_' || to_char(day AT TIME ZONE 'UTC', 'YYYY_MM_DD');
        -- Made by itself and attached: CREATE ... PARTITION OF would lock everybody out of the whole table.
        EXECUTE format('CREATE TABLE telemetry.%I (LIKE telemetry.raw_telemetry INCLUDING DEFAULTS)', name);
        LOCK TABLE telemetry.raw_telemetry_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format(
            'WITH moved AS (DELETE FROM telemetry.raw_telemetry_default WHERE "timestamp" >= $1 AND "timestamp" < $2 '
            'RETURNING *) INSERT INTO telemetry.%I SELECT * FROM moved', name)
            USING day, day + interval '24 hours';
        EXECUTE format('ALTER TABLE telemetry.raw_telemetry ATTACH PARTITION telemetry.%I FOR VALUES FROM (%L) TO (%L)',
                       name, day, day + interval '24 hours');
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

COMMENT ON FUNCTION telemetry.make_raw_partitions(timestamptz, timestamptz) IS
    'Makes partitions of raw_telemetry, one a UTC day of the period, where there are none; returns how many.';

-- Detaches the days that are older than raw_retention.keep_days. In two steps, the second by a later call: kept_since
-- moves forward and is committed; then what lies before it goes. No roll-up that still counts an hour loses its rows.
-- Nor does it move past an hour that has readings and was never rolled up, because the platform was down for so long, or
-- is new: whoever wants those readings gone without statistics moves kept_since by hand.
CREATE OR REPLACE FUNCTION telemetry.detach_raw_partitions() RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, telemetry, pg_temp AS $$
DECLARE
    retention telemetry.raw_retention;
    old       regclass;
    wanted    timestamptz;
    waiting   timestamptz;
    detached  integer := 0;
BEGIN
    SELECT * INTO retention FROM telemetry.raw_retention;
    IF retention.keep_days IS NULL OR NOT EXISTS (SELECT FROM telemetry.raw_partitions) THEN
        RETURN 0;
    END IF;
    FOR old IN SELECT p.partition FROM telemetry.raw_partitions p
               WHERE p.until <= retention.kept_since ORDER BY p.until
    LOOP
        EXECUTE format('ALTER TABLE telemetry.raw_telemetry DETACH PARTITION %s', old);
        IF retention.drop_detached THEN
            EXECUTE format('DROP TABLE %s', old);
        END IF;
        detached := detached + 1;
    END LOOP;
    wanted := date_trunc('day', now(), 'UTC') - retention.keep_days * interval '24 hours';
    IF retention.kept_since < wanted THEN
        SELECT min(h) INTO waiting
        FROM generate_series(
            greatest(retention.kept_since, (SELECT min(p.since) FROM telemetry.raw_partitions p)),
            wanted - interval '1 hour', interval '1 hour') AS h
        WHERE EXISTS (SELECT FROM telemetry.raw_telemetry r WHERE r."timestamp" >= h AND r."timestamp" < h + interval '1 hour')
          AND NOT EXISTS (SELECT FROM telemetry.hourly_stats s WHERE s.hour_start = h);
        IF waiting IS NOT NULL THEN
            RAISE WARNING 'readings older than raw_retention.keep_days are kept from % UTC on: they were never rolled up. '
                'Load the hours from then on; or, to let them go, move raw_retention.kept_since past them',
                waiting AT TIME ZONE 'UTC';
        END IF;
        UPDATE telemetry.raw_retention SET kept_since = least(wanted, date_trunc('day', waiting, 'UTC'))
        WHERE kept_since < least(wanted, date_trunc('day', waiting, 'UTC'));
    END IF;
    RETURN detached;
END
$$;

COMMENT ON FUNCTION telemetry.detach_raw_partitions() IS
    'Detaches days of raw_telemetry that are older than raw_retention.keep_days; returns how many.';

-- The upkeep that every roll-up begins with: makes the partitions of today and the next two days, and of days whose
-- readings came in before anybody made one; detaches what is too old. What has to wait for somebody's lock for more
-- than a few seconds is left to the next call: chips wait behind it.
--
-- outside: readings in the default partition, counted up to 100,000. They are rolled up like all others.
CREATE OR REPLACE FUNCTION telemetry.keep_raw_partitions(OUT made integer, OUT detached integer, OUT outside bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, telemetry, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    stray  timestamptz;
    strays timestamptz[];
BEGIN
    made := 0;
    detached := 0;
    outside := 0;
    IF NOT EXISTS (SELECT FROM telemetry.raw_partitions) THEN
        RETURN;
    END IF;
    BEGIN
        detached := telemetry.detach_raw_partitions();
        made := telemetry.make_raw_partitions(now(), now() + interval '48 hours');
        -- Only between the oldest day that has a partition and the newest: a clock that says 1970 makes none.
        -- Gathered first: a partition can't be attached while the default one is being read here.
        strays := ARRAY(
            SELECT DISTINCT date_trunc('day', d."timestamp", 'UTC') FROM telemetry.raw_telemetry_default d
            WHERE d."timestamp" >= (SELECT min(p.since) FROM telemetry.raw_partitions p)
              AND d."timestamp" < (SELECT max(p.until) FROM telemetry.raw_partitions p)
              AND d."timestamp" >= (SELECT r.kept_since FROM telemetry.raw_retention r));
        FOREACH stray IN ARRAY strays LOOP
            made := made + telemetry.make_raw_partitions(stray, stray);
        END LOOP;
    EXCEPTION WHEN lock_not_available THEN
        made := 0;
        detached := 0;
    END;
    SELECT count(*) INTO outside FROM (SELECT FROM telemetry.raw_telemetry_default LIMIT 100000) AS counted;
END
$$;

COMMENT ON FUNCTION telemetry.keep_raw_partitions() IS
    'Makes the next partitions of raw_telemetry and detaches the old ones; every roll-up calls it. Does nothing to a '
    'table that isn''t partitioned.';

REVOKE ALL ON FUNCTION telemetry.keep_raw_partitions() FROM PUBLIC;
REVOKE ALL ON FUNCTION telemetry.detach_raw_partitions() FROM PUBLIC;
REVOKE ALL ON FUNCTION telemetry.make_raw_partitions(timestamptz, timestamptz) FROM PUBLIC;

-- From now on, also where nobody rolls up before the first readings come.
SELECT telemetry.keep_raw_partitions();
