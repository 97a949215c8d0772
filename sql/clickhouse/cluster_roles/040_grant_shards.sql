-- As whom a server of the cluster asks the others (remote_servers). Rights are checked where a query is asked; with a
-- secret in place of this user, the others would check them again, of the reader, who has none on the rows.
GRANT SELECT, INSERT ON storage.* TO bionicpro_shards
