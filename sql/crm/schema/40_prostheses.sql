CREATE TABLE IF NOT EXISTS crm.prostheses (
    prosthesis_id     serial      PRIMARY KEY,
    serial_number     varchar(50) NOT NULL CONSTRAINT prostheses_serial_number_key UNIQUE,
    model_id          integer     NOT NULL
                      CONSTRAINT prostheses_model_id_fkey REFERENCES crm.prosthesis_models,
    customer_id       integer
                      CONSTRAINT prostheses_customer_id_fkey REFERENCES crm.customers,
    chip_id           varchar(64) CONSTRAINT prostheses_chip_id_key UNIQUE,
    status            varchar(30) NOT NULL DEFAULT 'manufactured'
                      CONSTRAINT prostheses_status_check
                      CHECK (status IN ('manufactured', 'sold', 'active', 'maintenance', 'retired')),
    manufactured_date date,
    sold_date         date,
    warranty_end_date date,
    firmware_version  varchar(20),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- PostgreSQL does not index the referencing side of a foreign key. Without these,
-- "the prostheses of this customer" and every DELETE of a customer or a model
-- would scan the table.
CREATE INDEX IF NOT EXISTS prostheses_customer_id_idx ON crm.prostheses (customer_id);
CREATE INDEX IF NOT EXISTS prostheses_model_id_idx ON crm.prostheses (model_id);

COMMENT ON TABLE crm.prostheses IS 'Every prosthesis made, from the factory to its retirement.';
COMMENT ON COLUMN crm.prostheses.customer_id IS 'Owner; null until sold.';
COMMENT ON COLUMN crm.prostheses.chip_id IS
    'Telemetry chip; null until fitted. A chip can move to another unit.';
COMMENT ON COLUMN crm.prostheses.updated_at IS 'Last real change of the row; kept by a trigger.';
