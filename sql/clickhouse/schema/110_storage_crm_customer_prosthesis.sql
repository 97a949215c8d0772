CREATE TABLE IF NOT EXISTS storage.crm_customer_prosthesis
(
    hour_start            DateTime('UTC')       COMMENT 'The hour this is the CRM''s answer for, its first second in UTC',
    customer_id           Int64                 COMMENT 'The CRM''s number of the customer',
    user_id               String                COMMENT 'The customer''s login; user_id of the mart',
    customer_full_name    String                COMMENT 'Last, first and middle name',
    email                 String                COMMENT 'E-mail address',
    region                LowCardinality(String) COMMENT 'Region of the customer: russia or europe',
    branch                Nullable(String)      COMMENT 'Branch that looks after the customer',
    prosthesis_id         Int64                 COMMENT 'The CRM''s number of the prosthesis',
    prosthesis_serial     String                COMMENT 'Serial number',
    chip_id               Nullable(String)      COMMENT 'Chip that sends the telemetry; none until fitted',
    prosthesis_status     LowCardinality(String) COMMENT 'sold, active, maintenance or retired',
    prosthesis_model      Nullable(String)      COMMENT 'Model name',
    prosthesis_category   LowCardinality(Nullable(String)) COMMENT 'arm, leg, hand or finger',
    customer_updated_at   Nullable(DateTime64(6, 'UTC')) COMMENT 'When the CRM last changed the customer',
    prosthesis_updated_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the CRM last changed the prosthesis',
    ownership             LowCardinality(String) COMMENT 'How sure the wearer is: named, assumed, stated; ended or contested: nobody; overruled: only remembered; no chip',
    worn_since            Nullable(DateTime64(6, 'UTC')) COMMENT 'Since when the CRM''s record of this wearer stands unchanged, as far as it is known',
    named_at              Nullable(DateTime64(6, 'UTC')) COMMENT 'A moment at which the CRM named this wearer: in the hour, or the nearest to it',
    ended_at              Nullable(DateTime64(6, 'UTC')) COMMENT 'When the CRM was found to name nobody for the chip any more',
    publication           UInt64                COMMENT 'The attempt that wrote the row; storage.publications says whether it counts',
    written_at            DateTime('UTC') DEFAULT now() COMMENT 'When ClickHouse took the row in; decides how long an attempt that never committed is kept'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(hour_start)
ORDER BY (hour_start, publication, prosthesis_id)
TTL hour_start + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every publication of staging.crm_customer_prosthesis'
