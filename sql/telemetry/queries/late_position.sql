-- Where the database's transactions stand: all below the first number have ended, and none from the second on is seen
-- by this snapshot. These names are PostgreSQL's older ones; it has them in every version.
SELECT
    txid_snapshot_xmin(txid_current_snapshot())::bigint AS oldest_running,
    txid_snapshot_xmax(txid_current_snapshot())::bigint AS next
