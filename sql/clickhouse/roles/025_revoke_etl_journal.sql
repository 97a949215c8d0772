-- The journal only grows: it is the record of who published what.
REVOKE ALTER DELETE ON storage.publications FROM bionicpro_etl
