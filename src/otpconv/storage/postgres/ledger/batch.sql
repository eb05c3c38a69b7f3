-- The temporary tables of the applier. They are empty after each transaction.

-- name: batch_schema
-- What a crash undoes is applied again, since the cursor is in the same transaction.
SET synchronous_commit = off;
-- Nobody analyzes the sizes of batches. So one plan per statement is made for batches of any size: it reads the
-- ledger by its indexes alone.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_mergejoin = off;
CREATE TEMP TABLE IF NOT EXISTS batch (
    position bigint,                -- in the journal
    bucket smallint, kind smallint, account integer, at bigint, message_id text COLLATE "C", number bytea,
    delivered boolean, rate double precision,
    dimensions text COLLATE "C", number_range text, session_id text COLLATE "C", attempt integer, timing smallint,
    vendor_message_id text COLLATE "C"
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_places (id bigint, account integer, number bytea, requested_at bigint, message_id text COLLATE "C")
ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_messages (
    id bigint PRIMARY KEY,
    until bigint                    -- the last instant at which a conversion of its number belongs to it
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS combinations (
    account integer, day integer,
    country text COLLATE "C", carrier text COLLATE "C", provider text COLLATE "C", template text COLLATE "C",
    sender text COLLATE "C", channel text COLLATE "C", access_key text COLLATE "C",
    first bigint,                   -- the first position in the batch that has this combination
    as_country text COLLATE "C", as_carrier text COLLATE "C", as_provider text COLLATE "C",
    as_template text COLLATE "C", as_sender text COLLATE "C", as_channel text COLLATE "C",
    as_access_key text COLLATE "C", -- the values it is to be counted as, until that is decided
    dimensions integer,             -- the combination that counts it, once decided
    reported text COLLATE "C"       -- the values as reported, as JSON
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_hours (
    account integer, number bytea, start bigint,
    first bigint, last bigint,      -- the range of instants that no message explains
    PRIMARY KEY (account, number, start)
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS changes (       -- see the type `change`
    account integer, start bigint, dimensions integer,
    {count: $count integer},
    delay_bin smallint, more integer        -- this bin counts so many more messages; NULL: no bin does
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS contributions (     -- see the type `contribution`
    sign integer, id bigint, account integer, session_id text, requested_at bigint, dimensions integer,
    verified smallint, attempt integer, session integer, reported smallint, delay_bin smallint, receipt smallint,
    price bigint, currency text COLLATE "C", number_range text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS erased_messages (id bigint PRIMARY KEY) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_receipts (
    account integer, vendor_message_id text COLLATE "C", erased boolean
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS kept (
    account integer, start bigint, dimensions integer,
    {count: $count integer},
    delays jsonb                    -- list of [bin, messages]
) ON COMMIT DELETE ROWS;
