-- Whether there is a table, view or function of that name.
SELECT to_regclass(%s) IS NOT NULL OR to_regproc(%s) IS NOT NULL
