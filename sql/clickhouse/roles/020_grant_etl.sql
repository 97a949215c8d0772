-- What runs need: write, check and sweep the storage, read what is made of it. No DDL: `bionicpro init clickhouse` is for an administrator.
GRANT SELECT ON reports.*, SELECT ON staging.*, SELECT ON quarantine.*, SELECT, INSERT, ALTER DELETE, CHECK ON storage.* TO bionicpro_etl
