CREATE TABLE IF NOT EXISTS crm.prosthesis_models (
    model_id        serial       PRIMARY KEY,
    model_code      varchar(50)  NOT NULL CONSTRAINT prosthesis_models_model_code_key UNIQUE,
    model_name      varchar(200) NOT NULL,
    category        varchar(50)  NOT NULL
                    CONSTRAINT prosthesis_models_category_check
                    CHECK (category IN ('arm', 'leg', 'hand', 'finger')),
    description     text,
    price           numeric(12, 2),
    warranty_months integer,
    is_active       boolean      NOT NULL DEFAULT true,
    created_at      timestamptz  NOT NULL DEFAULT now()
);

COMMENT ON TABLE crm.prosthesis_models IS 'Catalogue of prosthesis models.';
COMMENT ON COLUMN crm.prosthesis_models.warranty_months IS 'Warranty from the day of sale, in months.';
COMMENT ON COLUMN crm.prosthesis_models.is_active IS 'Whether the model is still sold; units of a withdrawn model stay in use.';
