SELECT count(*)::bigint AS prostheses, count(chip_id)::bigint AS with_a_chip FROM crm.v_customer_prosthesis
