-- Whether the demo's chip has been refitted, or can't be: a fleet of fewer than eight has nobody who waits for one.
CREATE OR REPLACE FUNCTION demo.is_refitted()
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT FROM crm.prostheses WHERE serial_number = 'BP-000008')
        OR NOT EXISTS (SELECT FROM crm.prostheses WHERE serial_number = 'BP-000001' AND chip_id = demo.chip_id(1))
$$;

-- Takes the chip out of unit 1, which goes to the workshop, and puts it into unit 8 of another customer, who waited for
-- one. `moment` may be in the past: the records are dated then, as if it had been noted at once.
CREATE OR REPLACE FUNCTION demo.refit(moment timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF demo.is_refitted() THEN
        RETURN;
    END IF;
    -- The trigger would date the records now.
    ALTER TABLE crm.prostheses DISABLE TRIGGER prostheses_updated_at;
    UPDATE crm.prostheses SET chip_id = NULL, status = 'maintenance', updated_at = moment
    WHERE serial_number = 'BP-000001';
    UPDATE crm.prostheses SET chip_id = demo.chip_id(1), status = 'active', updated_at = moment
    WHERE serial_number = 'BP-000008';
    ALTER TABLE crm.prostheses ENABLE TRIGGER prostheses_updated_at;
END
$$;
