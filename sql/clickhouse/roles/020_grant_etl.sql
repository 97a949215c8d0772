-- What runs need: write and sweep the storage, read all three. No DDL: `bionicpro init clickhouse` is for an administrator.
GRANT SELECT ON reports.*, SELECT ON staging.*, SELECT, INSERT, ALTER DELETE ON storage.* TO bionicpro_etl
