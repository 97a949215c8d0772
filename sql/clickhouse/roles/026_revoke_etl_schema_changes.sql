-- What was applied of the schema is for those to write who apply it.
REVOKE INSERT, ALTER DELETE ON storage.schema_changes FROM bionicpro_etl
