-- A CRM as it stands in the field: names and types of the data contract, other lengths and extra columns, and a view
-- that shows only active prostheses.
CREATE SCHEMA crm;
CREATE TABLE crm.customers (
    customer_id serial PRIMARY KEY, external_id varchar(64) UNIQUE NOT NULL, first_name varchar(100) NOT NULL,
    last_name varchar(100) NOT NULL, middle_name varchar(100), email varchar(255) UNIQUE NOT NULL, phone varchar(20),
    birth_date date, region varchar(50) NOT NULL, branch varchar(100),
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE crm.prosthesis_models (
    model_id serial PRIMARY KEY, model_code varchar(50) UNIQUE, model_name varchar(200), category varchar(50),
    description text, price numeric(12,2), warranty_months int, is_active bool, created_at timestamptz
);
CREATE TABLE crm.prostheses (
    prosthesis_id serial PRIMARY KEY, serial_number varchar(50) UNIQUE, model_id int REFERENCES crm.prosthesis_models,
    customer_id int REFERENCES crm.customers, chip_id varchar(64) UNIQUE, status varchar(30),
    manufactured_date date, sold_date date, warranty_end_date date, firmware_version varchar(20),
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE crm.orders (order_id serial PRIMARY KEY, customer_id int, note text);
CREATE VIEW crm.v_customer_prosthesis AS
SELECT c.customer_id, c.external_id AS user_id, c.first_name, c.last_name, c.middle_name,
       concat_ws(' ', c.last_name, c.first_name, c.middle_name) AS customer_full_name, c.email, c.phone, c.region,
       c.branch, p.prosthesis_id, p.serial_number AS prosthesis_serial, p.chip_id, p.status AS prosthesis_status,
       p.firmware_version, m.model_code, m.model_name AS prosthesis_model, m.category AS prosthesis_category,
       p.sold_date, p.warranty_end_date, c.updated_at AS customer_updated_at, p.updated_at AS prosthesis_updated_at,
       greatest(c.updated_at, p.updated_at) AS last_updated_at
FROM crm.customers c JOIN crm.prostheses p ON p.customer_id = c.customer_id
JOIN crm.prosthesis_models m ON m.model_id = p.model_id
WHERE p.status = 'active';
