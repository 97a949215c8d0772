-- Tells without reading rows back whether an hour that is loaded again is what it was.
ALTER TABLE storage.publications ADD COLUMN IF NOT EXISTS
    sent_as String COMMENT 'Fingerprint of the hour''s rows as they were sent, and who can compute it again; empty if it is not known'
