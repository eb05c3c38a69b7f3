-- The ledger: one row per message, and the rollups. All times are milliseconds since the Unix epoch, UTC. Everything here
-- can be rebuilt from the journal, so it has a schema of its own.
--
-- `bucket` comes first in every key, so that a distributed PostgreSQL can divide the tables by it. That of a message is
-- buckets.bucket_of; that of a number is its first byte, modulo 64; what concerns several messages is in bucket 0.

-- name: ledger_schema
CREATE TABLE cursors (
    bucket smallint NOT NULL,
    follower text NOT NULL,
    writer integer NOT NULL,
    position bigint NOT NULL,       -- of the last journal entry of the writer that the follower has dealt with
    PRIMARY KEY (bucket, follower, writer)
);
INSERT INTO cursors VALUES (0, 'ledger', 1, 0);

CREATE TABLE horizons (
    bucket smallint PRIMARY KEY,
    minutes_from bigint NOT NULL,   -- from here on there are rollups by minute, before it by quarter of an hour
    messages_from bigint NOT NULL,  -- all messages before this time were deleted, and no more are accepted
    ranges_from bigint NOT NULL GENERATED ALWAYS AS (   -- from here on there are rollups by range: 32 days more than by minute
        greatest(0, (minutes_from - 2764800000) / 3600000 * 3600000)
    ) STORED
);
INSERT INTO horizons VALUES (0, 0, 0);

CREATE FUNCTION number_bucket(number bytea) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT (get_byte(number, 0) & 63)::smallint';

-- The combinations of dimensions that the messages of a UTC day (of requested_at) are counted by. dimensions.sql
-- decides which combinations a day has.
CREATE TABLE dimensions (
    bucket smallint NOT NULL,
    id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    account integer NOT NULL,
    day integer NOT NULL,           -- days since 1970
    country text COLLATE "C" NOT NULL, carrier text COLLATE "C" NOT NULL, provider text COLLATE "C" NOT NULL,
    template text COLLATE "C" NOT NULL, sender text COLLATE "C" NOT NULL, channel text COLLATE "C" NOT NULL,
    access_key text COLLATE "C" NOT NULL,
    folded boolean NOT NULL GENERATED ALWAYS AS (   -- a value is `(other)`, which stands for many values
        '(other)' IN (country, carrier, provider, template, sender, channel, access_key)
    ) STORED,
    PRIMARY KEY (bucket, account, day, country, carrier, provider, template, sender, channel, access_key)
);
CREATE UNIQUE INDEX dimensions_by_id ON dimensions (id, bucket);
CREATE INDEX dimensions_folded ON dimensions (account, day) WHERE folded;

-- The values that a day counts separately, except the empty value.
CREATE TABLE dimension_values (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    day integer NOT NULL,
    dimension smallint NOT NULL,    -- 0 is country, 1 is carrier, …, in the order of the columns above
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, account, day, dimension, value)
);

-- Most updates add a conversion and change no index; room in each page lets PostgreSQL keep the new row beside the old.
-- A batch updates many rows of a page, and their old versions stay until it commits.
CREATE TABLE messages (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    id bigint NOT NULL,             -- the position of its first report in the journal
    requested_at bigint,            -- NULL while unmatched
    dimensions integer,
    reported_values text[] COLLATE "C",     -- the values as reported, if one is counted as `(other)`; else NULL
    number bytea,
    number_range text,
    session_id text COLLATE "C",
    attempt integer,
    true_first bigint,
    true_last bigint,
    false_last bigint,
    true_arrival bigint,
    true_unknown bigint,
    false_unknown bigint,
    number_true bigint,             -- time of the first valid true conversion known by number only
    number_reported boolean,        -- whether there is any conversion known by number only; false or NULL if not
    session integer,                -- if it is the first of its session: how many of the others are verified; else NULL
    vendor_message_id text COLLATE "C",     -- the smallest of the vendor's ids that reports name; NULL if none does
    receipt smallint,               -- what its receipts say, as receipts.ReceiptStatus; NULL if it has none
    price bigint,                   -- that of its receipts, in millionths of the currency; NULL if unknown
    currency text COLLATE "C",
    verified_at bigint GENERATED ALWAYS AS (
        least(
            CASE WHEN true_first > requested_at THEN true_first WHEN true_last > requested_at THEN true_last END,
            CASE WHEN true_arrival > requested_at AND true_arrival <= requested_at + 86400000 THEN true_arrival END,
            number_true
        )
    ) STORED,
    verified smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN requested_at IS NOT NULL AND (
            true_first > requested_at OR true_last > requested_at OR true_arrival IS NOT NULL OR true_unknown IS NOT NULL
            OR number_true IS NOT NULL
        ) THEN 1 ELSE 0 END
    ) STORED,
    reported smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN coalesce(true_first, false_last, true_arrival, true_unknown, false_unknown) IS NOT NULL
            OR number_reported THEN 1 ELSE 0 END
    ) STORED,
    delay_bin smallint GENERATED ALWAYS AS (    -- the bin of the time from request to verification, as model.delay_bin
        width_bucket(
            least(
                CASE WHEN true_first > requested_at THEN true_first WHEN true_last > requested_at THEN true_last END,
                CASE WHEN true_arrival > requested_at AND true_arrival <= requested_at + 86400000 THEN true_arrival END,
                number_true
            ) - requested_at,
            ARRAY[{edge: $edge}]::bigint[]
        )
    ) STORED,
    unmatched_at bigint GENERATED ALWAYS AS (   -- the time of its newest conversion, which decides when it expires
        CASE WHEN requested_at IS NULL THEN
            greatest(true_last, false_last, true_arrival, true_unknown, false_unknown)
        END
    ) STORED,
    PRIMARY KEY (bucket, account, message_id)
) WITH (fillfactor = 70);
CREATE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_unmatched ON messages (unmatched_at) WHERE unmatched_at IS NOT NULL;

-- The day comes first, so that messages near in time are near on disk although the hashes of numbers are random.
-- The messages of a number follow in the order of the law. So one lookup finds the last one before an instant, and one
-- the first one after it.
CREATE INDEX messages_by_number ON messages ((requested_at / 86400000), number, requested_at, message_id)
WHERE requested_at IS NOT NULL AND number IS NOT NULL;

-- Most sessions have one message. The later messages of a session have an index of their own, in the order of the law.
CREATE INDEX messages_first_of_session ON messages (account, session_id) WHERE session IS NOT NULL;
CREATE INDEX messages_later_in_session ON messages (account, session_id, requested_at, message_id)
WHERE session IS NULL AND session_id <> '';

-- The messages that name one id of a vendor, in the order in which they have its receipts.
CREATE INDEX messages_by_vendor_id ON messages (account, vendor_message_id, requested_at, message_id)
WHERE vendor_message_id IS NOT NULL;

-- What a message contributes to the counts, once (sign 1) or taken away (sign -1). `requested_at` is NULL while it is
-- unmatched.
CREATE TYPE contribution AS (
    sign integer, id bigint, account integer, session_id text, requested_at bigint, dimensions integer,
    verified smallint, attempt integer, session integer, reported smallint, delay_bin smallint, receipt smallint,
    price bigint, currency text COLLATE "C", number_range text
);
CREATE FUNCTION contribution(m messages, sign integer) RETURNS contribution LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(
        sign, m.id, m.account, m.session_id, m.requested_at, m.dimensions, m.verified, m.attempt, m.session, m.reported,
        m.delay_bin, m.receipt, m.price, m.currency, m.number_range
    )::contribution
$$;

-- The state of each message, as JSON that model.py decodes.
CREATE VIEW message_states AS
SELECT m.bucket, m.id, m.account, m.message_id, m.requested_at, m.number, m.verified_at, m.reported,
    CASE WHEN m.receipt IS NOT NULL THEN coalesce(m.vendor_message_id, m.message_id) END AS receipts_of,
    json_build_array(
        CASE WHEN m.requested_at IS NOT NULL THEN json_build_array(
            1, m.account, m.message_id, m.requested_at,
            coalesce(
                to_json(m.reported_values),
                json_build_array(d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key)
            ),
            coalesce(encode(m.number, 'hex'), ''), m.number_range, m.session_id, m.attempt,
            coalesce(m.vendor_message_id, '')
        ) END,
        m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
    ) AS state
FROM messages AS m LEFT JOIN dimensions AS d ON d.id = m.dimensions;

CREATE TABLE number_conversions (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    number bytea NOT NULL,
    delivered boolean NOT NULL,
    conversion_time bigint NOT NULL,
    PRIMARY KEY (bucket, account, number, conversion_time, delivered)
);

-- The receipts of each message, by the vendor's id: receipts.py has the law. What looks for them knows no bucket, hence the
-- order of the key.
CREATE TABLE receipts (
    bucket smallint NOT NULL,       -- that of the message that has the id itself
    account integer NOT NULL,
    vendor_message_id text COLLATE "C" NOT NULL,
    {status: $status_at bigint},
    error text COLLATE "C" NOT NULL,
    price bigint CHECK (price >= 0),    -- in millionths of the currency
    currency text COLLATE "C",
    segments integer NOT NULL,
    known boolean NOT NULL,         -- whether any message has or names the id
    status smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN delivered_at IS NOT NULL THEN 6 WHEN failed_at IS NOT NULL THEN 5 WHEN rejected_at IS NOT NULL THEN 4
            WHEN expired_at IS NOT NULL THEN 3 WHEN sent_at IS NOT NULL THEN 2 WHEN accepted_at IS NOT NULL THEN 1 ELSE 0 END
    ) STORED,
    PRIMARY KEY (account, vendor_message_id, bucket)
) WITH (fillfactor = 70);
-- Receipts of unknown messages, by the time that decides when they expire.
CREATE INDEX receipts_unknown ON receipts (greatest({status: $status_at})) WHERE NOT known;

-- Counts of all messages, by provider and country. Adding up the days would take longer every year.
CREATE TABLE routes (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    provider text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    requested bigint NOT NULL,
    verified bigint NOT NULL,
    PRIMARY KEY (bucket, account, provider, country),
    CHECK (0 <= verified AND verified <= requested)
) WITH (fillfactor = 70);

-- The UTC hours in which a number has conversions that no message explains; unmatched.sql maintains them.
CREATE TABLE unmatched_hours (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    number bytea NOT NULL,
    start bigint NOT NULL,
    PRIMARY KEY (bucket, account, number, start)
);
CREATE INDEX unmatched_hours_by_time ON unmatched_hours (start);

-- How many messages, and how many numbers, have conversions but no known message.
CREATE TABLE unmatched (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    messages bigint NOT NULL CHECK (messages >= 0),
    numbers bigint NOT NULL CHECK (numbers >= 0),
    PRIMARY KEY (bucket, account)
) WITH (fillfactor = 70);

CREATE TABLE self_reported_rates (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    report_time bigint NOT NULL,
    rate double precision NOT NULL,
    PRIMARY KEY (bucket, account, report_time, rate)
);

-- Counts of the messages requested in a UTC day, an hour, a quarter of an hour or a minute; a question reads the
-- coarsest grain that fits. Messages requested at or after horizons.minutes_from are counted by minute and not by
-- quarter of an hour; earlier messages are counted by quarter and not by minute. A session is counted where its first
-- message is. d0 to d34 count the verified messages by messages.delay_bin. The writer is in the key, so that two nodes
-- never wait for each other's rows.
CREATE TABLE rollups (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    grain integer NOT NULL,         -- length of the time slot, ms
    account integer NOT NULL,
    start bigint NOT NULL,
    dimensions integer NOT NULL,
    {count: $count integer NOT NULL},
    {bin: d$bin integer NOT NULL},
    PRIMARY KEY (bucket, writer, grain, account, start, dimensions),
    CHECK (0 <= verified AND verified <= reported AND reported <= requested),
    CHECK (0 <= first_verified AND first_verified <= first_requested AND first_requested <= requested),
    -- During a rebuild, sessions can exceed requested for a while: see `settle` in changes.sql.
    CHECK (0 <= sessions_verified AND sessions_verified <= sessions),
    CHECK (0 <= delivered_verified AND delivered_verified <= delivered AND delivered <= receipted),
    CHECK (receipted <= requested AND delivered_verified <= verified)
) WITH (fillfactor = 50);

-- What the messages of the same slots cost by currency: those with a price, and the sum of their prices in millionths.
CREATE TABLE cost_rollups (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    grain integer NOT NULL,
    account integer NOT NULL,
    start bigint NOT NULL,
    dimensions integer NOT NULL,
    currency text COLLATE "C" NOT NULL,
    messages bigint NOT NULL CHECK (messages > 0),
    micros bigint NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (bucket, writer, grain, account, start, dimensions, currency)
) WITH (fillfactor = 50);

-- Counts of the messages with a number requested in a UTC hour, by number range. `country` and `provider` are those of the
-- dimensions that count a message. All rows before horizons.ranges_from are forgotten. Differences are inserted, so no rule
-- of the table says that 0 <= verified <= requested.
CREATE TABLE range_rollups (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    start bigint NOT NULL,
    number_range text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    requested integer NOT NULL,
    verified integer NOT NULL,
    PRIMARY KEY (bucket, account, start, number_range, country, provider)
) WITH (fillfactor = 80);

-- What deleted messages contribute to them, by the range as reported.
CREATE TABLE kept_ranges (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    start bigint NOT NULL,
    number_range text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    requested integer NOT NULL,
    verified integer NOT NULL,
    PRIMARY KEY (bucket, account, start, number_range, country, provider)
);

-- How many characters the ranges of a country have at most on a day that has too many of them.
CREATE TABLE range_lengths (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    day integer NOT NULL,           -- days since 1970
    country text COLLATE "C" NOT NULL,
    length integer NOT NULL,
    PRIMARY KEY (bucket, account, day, country)
);

-- What deleted messages contribute to the rollups and routes for good, so that the doctor can compare these with a
-- recount. Times at or after horizons.minutes_from are minutes; earlier ones are minutes or quarters of an hour.
CREATE TABLE kept_counts (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    start bigint NOT NULL,
    dimensions integer NOT NULL,
    {count: $count integer NOT NULL},
    {bin: d$bin integer NOT NULL},
    PRIMARY KEY (bucket, account, start, dimensions)
);

-- The same of what deleted messages have cost.
CREATE TABLE kept_costs (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    start bigint NOT NULL,
    dimensions integer NOT NULL,
    currency text COLLATE "C" NOT NULL,
    messages bigint NOT NULL,
    micros bigint NOT NULL,
    PRIMARY KEY (bucket, account, start, dimensions, currency)
);
