SELECT count(*)::bigint AS row_count, max(updated_at)::timestamptz AS updated_at FROM crm.prostheses
