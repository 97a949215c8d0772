-- Readers take updated_at as "something changed since". The trigger therefore owns the
-- column: an UPDATE that writes the same values, or only updated_at itself, leaves it.
CREATE OR REPLACE FUNCTION crm.keep_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := OLD.updated_at;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER customers_updated_at
    BEFORE UPDATE ON crm.customers
    FOR EACH ROW EXECUTE FUNCTION crm.keep_updated_at();

CREATE OR REPLACE TRIGGER prostheses_updated_at
    BEFORE UPDATE ON crm.prostheses
    FOR EACH ROW EXECUTE FUNCTION crm.keep_updated_at();
