-- Rows that are left out of the extract, and why.
SELECT count(*) AS checked, count(left_out) AS failed,
       (array_agg('customer ' || coalesce(customer_id::text, 'without a number') || ', prosthesis '
                  || coalesce(prosthesis_id::text, 'without a number') || ': ' || left_out
                  ORDER BY prosthesis_id) FILTER (WHERE left_out IS NOT NULL))[1:5] AS sample
FROM (:answer) AS answer
