CREATE OR REPLACE FUNCTION demo.models()
RETURNS TABLE (
    number integer, model_code text, model_name text, category text, description text,
    price numeric, warranty_months integer, is_active boolean)
LANGUAGE sql IMMUTABLE AS $$
    VALUES
        (1, 'BP-ARM-200', 'BionicPRO Arm 200', 'arm', 'Full arm, powered elbow', 1450000.00, 36, true),
        (2, 'BP-ARM-100', 'BionicPRO Arm 100', 'arm', 'Forearm', 980000.00, 24, false),
        (3, 'BP-HAND-300', 'BionicPRO Hand 300', 'hand', 'Five powered fingers', 890000.00, 24, true),
        (4, 'BP-HAND-310', 'BionicPRO Hand 310 Lite', 'hand', 'Three powered fingers', 540000.00, 24, true),
        (5, 'BP-HAND-350', 'BionicPRO Hand 350 Compact', 'hand', 'Five powered fingers, small size', 610000.00, 36, true),
        (6, 'BP-LEG-400', 'BionicPRO Leg 400', 'leg', 'Powered knee and ankle', 1720000.00, 36, true),
        (7, 'BP-LEG-410', 'BionicPRO Leg 410 Ankle', 'leg', 'Powered ankle', 830000.00, 24, true),
        (8, 'BP-FINGER-50', 'BionicPRO Finger 50', 'finger', 'Single finger', 120000.00, 12, true)
$$;

-- The first `prostheses` units. Numbers 1 to 8 get one model each, so that the smallest
-- useful demo shows all categories; the others are drawn.
CREATE OR REPLACE FUNCTION demo.prostheses(seed bigint, prostheses integer)
RETURNS TABLE (
    serial_number text, model_code text, external_id text, chip_id text, status text,
    manufactured_date date, sold_date date, warranty_end_date date, firmware_version text)
LANGUAGE sql STABLE AS $$
    SELECT
        'BP-' || demo.padded(k, 6),
        m.model_code,
        CASE WHEN is_sold THEN demo.customer_login(demo.customer_number(k)) END,
        demo.chip_id(k),
        demo.prosthesis_status(k),
        made,
        CASE WHEN is_sold THEN sold END,
        CASE WHEN is_sold THEN (sold + m.warranty_months * interval '1 month')::date END,
        demo.firmware_version(seed, k)
    FROM (
        SELECT
            k,
            demo.prosthesis_status(k) <> 'manufactured' AS is_sold,
            CASE WHEN k <= 8 THEN k
                 ELSE 1 + floor(8 * demo.unit(seed, k, 0, 'model'))::integer END AS model,
            DATE '2023-07-01' + floor(365 * demo.unit(seed, k, 0, 'made'))::integer AS made,
            DATE '2023-07-01' + floor(365 * demo.unit(seed, k, 0, 'made'))::integer
                + 10 + floor(190 * demo.unit(seed, k, 0, 'sold'))::integer AS sold
        FROM generate_series(1, prostheses) AS k
    ) AS draws
    JOIN demo.models() m ON m.number = draws.model
$$;
