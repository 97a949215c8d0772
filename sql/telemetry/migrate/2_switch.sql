-- Part 2 of 2, after 1_prepare.sql and `bionicpro init telemetry`. In one transaction: chips that send meanwhile wait,
-- for as long as the old table is read once. The old table takes the days up to the day after tomorrow; the days from
-- then on get partitions of their own. Readings dated later than that move to the default partition.
DO $$
DECLARE
    cut   CONSTANT timestamptz := date_trunc('day', now(), 'UTC') + interval '48 hours';
    entry aclitem;
BEGIN
    IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'telemetry.raw_telemetry'::regclass) THEN
        RAISE NOTICE 'raw_telemetry is partitioned already';
        RETURN;
    END IF;
    LOCK TABLE telemetry.raw_telemetry IN ACCESS EXCLUSIVE MODE;

    ALTER TABLE telemetry.raw_telemetry RENAME TO raw_telemetry_before;
    CREATE TABLE telemetry.raw_telemetry (LIKE telemetry.raw_telemetry_before INCLUDING DEFAULTS INCLUDING COMMENTS)
        PARTITION BY RANGE ("timestamp");
    CREATE TABLE telemetry.raw_telemetry_default PARTITION OF telemetry.raw_telemetry DEFAULT;
    WITH moved AS (
        DELETE FROM telemetry.raw_telemetry_before WHERE "timestamp" >= cut RETURNING *
    )
    INSERT INTO telemetry.raw_telemetry_default SELECT * FROM moved;

    -- The old key goes, the index that was made for it stays; whatever the old one was called.
    EXECUTE (
        SELECT format('ALTER TABLE telemetry.raw_telemetry_before DROP CONSTRAINT %I', conname)
        FROM pg_constraint WHERE conrelid = 'telemetry.raw_telemetry_before'::regclass AND contype = 'p');
    ALTER TABLE telemetry.raw_telemetry_before
        ADD CONSTRAINT raw_telemetry_before_pkey PRIMARY KEY USING INDEX raw_telemetry_before_pkey;
    EXECUTE format(
        'ALTER TABLE telemetry.raw_telemetry ATTACH PARTITION telemetry.raw_telemetry_before '
        'FOR VALUES FROM (MINVALUE) TO (%L)', cut);
    ALTER TABLE telemetry.raw_telemetry ADD PRIMARY KEY (telemetry_id, "timestamp");

    -- The numbers go on, and belong to the new table.
    EXECUTE format('ALTER SEQUENCE %s OWNED BY telemetry.raw_telemetry.telemetry_id',
                   pg_get_serial_sequence('telemetry.raw_telemetry_before', 'telemetry_id'));

    -- Who might read or write the old one, may the new one. Its triggers and views aren't carried over.
    EXECUTE format('ALTER TABLE telemetry.raw_telemetry OWNER TO %s',
                   (SELECT relowner::regrole FROM pg_class WHERE oid = 'telemetry.raw_telemetry_before'::regclass));
    FOR entry IN SELECT unnest(relacl) FROM pg_class WHERE oid = 'telemetry.raw_telemetry_before'::regclass LOOP
        EXECUTE (
            SELECT format('GRANT %s ON telemetry.raw_telemetry TO %s', string_agg(e.privilege_type, ', '),
                          CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END)
            FROM aclexplode(ARRAY[entry]) e GROUP BY e.grantee);
    END LOOP;
END
$$;

-- The old table's indexes become parts of these where there are equal ones, and are built where there are none.
ALTER INDEX IF EXISTS telemetry.raw_telemetry_timestamp_brin RENAME TO raw_telemetry_before_timestamp_brin;

ALTER INDEX IF EXISTS telemetry.raw_telemetry_chip_id_timestamp_idx RENAME TO raw_telemetry_before_chip_id_timestamp_idx;

CREATE INDEX raw_telemetry_timestamp_brin ON telemetry.raw_telemetry
    USING brin ("timestamp") WITH (pages_per_range = 32, autosummarize = on);

CREATE INDEX raw_telemetry_chip_id_timestamp_idx ON telemetry.raw_telemetry (chip_id, "timestamp");

SELECT telemetry.keep_raw_partitions();
