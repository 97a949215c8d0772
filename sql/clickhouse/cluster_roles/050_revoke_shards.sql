-- The journal is written on the server that is asked, and replicated from there.
REVOKE INSERT ON storage.publications, INSERT ON storage.schema_changes FROM bionicpro_shards
