-- Dates of sale and of warranty that no Date32 of ClickHouse can hold, as an end that never comes: they are kept as empty.
SELECT count(*) AS checked, count(*) FILTER (WHERE odd) AS failed,
       (array_agg('prosthesis ' || prosthesis_id ORDER BY prosthesis_id) FILTER (WHERE odd))[1:5] AS sample
FROM (
    SELECT prosthesis_id,
           coalesce(sold_date NOT BETWEEN '1900-01-01' AND '2299-12-31', false)
           OR coalesce(warranty_end_date NOT BETWEEN '1900-01-01' AND '2299-12-31', false) AS odd
    FROM crm.v_customer_prosthesis
) AS dated
