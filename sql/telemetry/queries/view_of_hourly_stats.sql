-- What decides whether the table may be read in place of the view: the view as PostgreSQL prints it, and whether this
-- user may read the table, sees there what the view sees, and finds the types that the rounding was proved for. No row
-- where either is missing. The text alone doesn't say which round(), > or hourly_stats is meant, since the search path
-- decides which schemas are printed: what isn't PostgreSQL's own is among the dependencies. With row-level security the
-- view shows what its owner may see, and the table what this user may; so there must be none, for anybody.
SELECT
    pg_get_viewdef(v.oid)::text AS definition,
    t.relkind IN ('r', 'p') AND NOT t.relrowsecurity
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = v.oid
          AND NOT (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid IN (v.oid, t.oid))
    )
    AND NOT EXISTS (
        SELECT FROM (VALUES
            ('hour_start', NULL), ('chip_id', NULL), ('updated_at', NULL),
            ('movements_count', 'integer'), ('successful_movements', 'integer'),
            ('min_response_time', NULL), ('max_response_time', NULL),
            ('min_battery_level', NULL), ('max_battery_level', NULL),
            ('error_count', NULL), ('warning_count', NULL),
            ('avg_response_time', 'double precision'), ('avg_battery_level', 'double precision'),
            ('avg_actuator_temp', 'double precision'), ('max_actuator_temp', 'double precision'),
            ('avg_myo_amplitude', 'double precision'), ('avg_connection_quality', 'double precision')
        ) AS needed (name, type)
        LEFT JOIN pg_catalog.pg_attribute a
            ON a.attrelid = t.oid AND a.attname = needed.name AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attnum IS NULL
           OR needed.type <> format_type(a.atttypid, NULL)
           OR NOT has_column_privilege(t.oid, a.attnum, 'SELECT')
    ) AS alike
FROM pg_catalog.pg_class v, pg_catalog.pg_class t
WHERE v.oid = to_regclass('telemetry.v_hourly_telemetry') AND v.relkind = 'v'
  AND t.oid = to_regclass('telemetry.hourly_stats')
