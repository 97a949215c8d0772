-- The views `storage.…_everywhere` ask every replica. Nobody can log in as bionicpro_views, so nobody can ask another
-- server anything else with it: whoever has REMOTE may name any address, and may try logins there.
GRANT CREATE TEMPORARY TABLE, REMOTE ON *.* TO bionicpro_views
