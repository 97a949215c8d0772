-- What a database is and how far behind: on a replica, seconds since the last change that it has replayed, if any is open.
SELECT current_setting('server_version')::text AS version,
       pg_is_in_recovery() AS is_replica,
       CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
            THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS behind_seconds
