-- A statement as ClickHouse's own parser writes it: one statement, without comments. Whether it has no clause for its
-- output: that can stand only once, so a second one is refused. The table functions that a reader may not call; and
-- those of them that are functions too. `format` isn't among these: the function of that name writes text.
WITH
    (SELECT groupUniqArray(lower(name)) FROM system.table_functions WHERE NOT allow_readonly) AS table_functions,
    (SELECT groupUniqArray(lower(name)) FROM system.functions WHERE name != 'format') AS functions
SELECT
    formatQuerySingleLine({statement:String}) AS canonical,
    isNotNull(formatQuerySingleLineOrNull(concat(canonical, ' INTO OUTFILE ''/dev/null'''))) AS has_no_output,
    arrayFilter(x -> x != 'format', table_functions) AS refused,
    arrayIntersect(refused, functions) AS refused_functions
