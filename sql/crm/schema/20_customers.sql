CREATE TABLE IF NOT EXISTS crm.customers (
    customer_id  serial       PRIMARY KEY,
    external_id  varchar(64)  NOT NULL CONSTRAINT customers_external_id_key UNIQUE,
    first_name   varchar(100) NOT NULL,
    last_name    varchar(100) NOT NULL,
    middle_name  varchar(100),
    email        varchar(255) NOT NULL CONSTRAINT customers_email_key UNIQUE,
    phone        varchar(20),
    birth_date   date,
    region       varchar(50)  NOT NULL
                 CONSTRAINT customers_region_check CHECK (region IN ('russia', 'europe')),
    branch       varchar(100),
    created_at   timestamptz  NOT NULL DEFAULT now(),
    updated_at   timestamptz  NOT NULL DEFAULT now()
);

-- No further index: the unique constraints serve the look-ups by login and e-mail,
-- and every other reader takes the whole table through v_customer_prosthesis.

COMMENT ON TABLE crm.customers IS 'People who own, or wait for, a prosthesis.';
COMMENT ON COLUMN crm.customers.external_id IS 'The login; user_id in the reports.';
COMMENT ON COLUMN crm.customers.middle_name IS 'Patronymic or middle name; null for those who have none.';
COMMENT ON COLUMN crm.customers.branch IS 'Branch that looks after the customer; null until one is assigned.';
COMMENT ON COLUMN crm.customers.updated_at IS 'Last real change of the row; kept by a trigger.';
