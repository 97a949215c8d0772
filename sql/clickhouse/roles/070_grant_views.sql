GRANT SELECT ON reports.*, SELECT ON staging.*, SELECT ON storage.* TO bionicpro_views
