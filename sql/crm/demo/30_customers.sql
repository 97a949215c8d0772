-- Owner of prosthesis number k. Six prostheses go to five customers, the fifth of whom
-- gets two: 1.2 each. One whose only unit is not sold yet is a customer who waits for it.
CREATE OR REPLACE FUNCTION demo.customer_number(k integer)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (k - 1) / 6 * 5 + least((k - 1) % 6, 4) + 1
$$;

CREATE OR REPLACE FUNCTION demo.customer_login(n integer)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 'user_' || demo.padded(n, 4)
$$;

-- The first `customers` customers. Two of every five live in Europe. Nobody can be
-- reached: mail goes to domains reserved for examples, telephone numbers are from a
-- range set aside for fiction (+44 7700 900) or have an area code that does not exist.
CREATE OR REPLACE FUNCTION demo.customers(seed bigint, customers integer)
RETURNS TABLE (
    external_id text, first_name text, last_name text, middle_name text, email text,
    phone text, birth_date date, region text, branch text, created_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT
        demo.customer_login(n),
        CASE WHEN in_europe THEN demo.european_first_name(u_first)
             ELSE demo.russian_first_name(is_woman, u_first) END,
        CASE WHEN in_europe THEN demo.european_last_name(u_last)
             ELSE demo.russian_last_name(is_woman, u_last) END,
        CASE WHEN in_europe AND u_has_middle < 0.1 THEN demo.european_first_name(u_middle)
             WHEN NOT in_europe AND u_has_middle < 0.85 THEN demo.russian_patronymic(is_woman, u_middle)
        END,
        demo.customer_login(n) || '@'
            || demo.pick(ARRAY['example.com', 'example.org', 'example.net'], u_mail),
        CASE WHEN in_europe THEN '+44 7700 900' || demo.padded(floor(1000 * u_phone)::bigint, 3)
             ELSE '+7 000 ' || demo.padded(floor(10000000 * u_phone)::bigint, 7) END,
        DATE '1945-01-01' + floor(22000 * u_birth)::integer,
        CASE WHEN in_europe THEN 'europe' ELSE 'russia' END,
        CASE WHEN u_has_branch < 0.12 THEN NULL
             WHEN in_europe THEN demo.pick(ARRAY['Berlin', 'Kraków', 'Lyon', 'Praha'], u_branch)
             ELSE demo.pick(ARRAY['Москва', 'Санкт-Петербург', 'Казань', 'Новосибирск'], u_branch) END,
        -- Before the first prosthesis was made, see demo.prostheses.
        to_timestamp(1640995200 + floor(500 * 86400 * u_created))
    FROM (
        SELECT
            n,
            n % 5 IN (0, 3) AS in_europe,
            demo.unit(seed, n, 0, 'woman') < 0.5 AS is_woman,
            demo.unit(seed, n, 0, 'first name') AS u_first,
            demo.unit(seed, n, 0, 'last name') AS u_last,
            demo.unit(seed, n, 0, 'has middle name') AS u_has_middle,
            demo.unit(seed, n, 0, 'middle name') AS u_middle,
            demo.unit(seed, n, 0, 'mail') AS u_mail,
            demo.unit(seed, n, 0, 'phone') AS u_phone,
            demo.unit(seed, n, 0, 'birth') AS u_birth,
            demo.unit(seed, n, 0, 'has branch') AS u_has_branch,
            demo.unit(seed, n, 0, 'branch') AS u_branch,
            demo.unit(seed, n, 0, 'created') AS u_created
        FROM generate_series(1, customers) AS n
    ) AS draws
$$;
