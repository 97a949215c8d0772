-- The rows, one name further away. ClickHouse takes a table's snapshot when it resolves its name, and a view's
-- tables are resolved later than the names beside it. The public view reads the journal and this view, so the
-- journal's snapshot is always the older one: a publication that the journal names has all its rows.
CREATE OR REPLACE VIEW storage.crm_customer_prosthesis_rows AS
SELECT * FROM storage.crm_customer_prosthesis AS every_publication
COMMENT 'All publications of staging.crm_customer_prosthesis, one name further away'
