CREATE OR REPLACE VIEW storage.model_hours_rows AS
SELECT * FROM storage.model_hours AS every_publication
COMMENT 'All publications of reports.model_hours, one name further away'
