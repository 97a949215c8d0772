-- Rows with a value that the extract can't hold, as a warranty that never ends: it is kept as empty.
SELECT count(*) AS checked, count(emptied) AS failed,
       (array_agg('prosthesis ' || coalesce(prosthesis_id::text, 'without a number') || ': ' || emptied
                  ORDER BY prosthesis_id) FILTER (WHERE emptied IS NOT NULL))[1:5] AS sample
FROM (:answer) AS answer
WHERE left_out IS NULL
