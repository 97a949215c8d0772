-- Commits older than an instant: in the journal of the server that is asked, and in those of all servers together.
SELECT
    (SELECT count() FROM storage.publications WHERE committed_at <= toDateTime({before:UInt32}, 'UTC')) AS here,
    (SELECT count() FROM storage.publications_everywhere
     WHERE committed_at <= toDateTime({before:UInt32}, 'UTC')) AS everywhere
