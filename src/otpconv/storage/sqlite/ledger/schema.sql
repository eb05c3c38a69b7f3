-- The ledger: one row per message, and the rollups. All times are milliseconds since the Unix epoch, UTC.
-- The triggers of changes.sql derive the rollups from the messages.

-- name: schema
CREATE TABLE IF NOT EXISTS progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cursor INTEGER NOT NULL,        -- position of the last journal entry that the ledger contains
    minutes_from INTEGER NOT NULL,  -- from here on there are rollups by minute, before it by quarter of an hour
    messages_from INTEGER NOT NULL, -- all messages before this time were deleted, and no more are accepted
    ranges_from INTEGER GENERATED ALWAYS AS (   -- from here on there are rollups by range: 32 days more than by minute
        max(0, (minutes_from - 2764800000) / 3600000 * 3600000)
    ) VIRTUAL
) STRICT;
INSERT OR IGNORE INTO progress VALUES (1, 0, 0, 0);

-- The combinations of dimensions that the messages of a UTC day (of requested_at) are counted by. dimensions.sql
-- decides which combinations a day has.
CREATE TABLE IF NOT EXISTS dimensions (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    day INTEGER NOT NULL,           -- days since 1970
    country TEXT NOT NULL, carrier TEXT NOT NULL, provider TEXT NOT NULL,
    template TEXT NOT NULL, sender TEXT NOT NULL, channel TEXT NOT NULL, access_key TEXT NOT NULL,
    folded INTEGER GENERATED ALWAYS AS (     -- 1 if a value is `(other)`, which stands for many values
        '(other)' IN (country, carrier, provider, template, sender, channel, access_key)
    ) VIRTUAL,
    UNIQUE (account, day, country, carrier, provider, template, sender, channel, access_key)
) STRICT;

CREATE INDEX IF NOT EXISTS dimensions_folded ON dimensions (account, day) WHERE folded;

-- The values that a day counts separately, except the empty value.
CREATE TABLE IF NOT EXISTS dimension_values (
    account INTEGER NOT NULL,
    day INTEGER NOT NULL,
    dimension INTEGER NOT NULL,     -- 0 is country, 1 is carrier, …, in the order of the columns above
    value TEXT NOT NULL,
    PRIMARY KEY (account, day, dimension, value)
) STRICT, WITHOUT ROWID;

-- Rows are in order of arrival, so that messages near in time share pages.
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,         -- in the order of the first reports in the journal
    account INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    requested_at INTEGER,           -- NULL while unmatched
    dimensions INTEGER REFERENCES dimensions (id),
    reported_values TEXT,           -- JSON list of the values as reported, if one is counted as `(other)`; else NULL
    number BLOB,
    number_range TEXT,
    session_id TEXT,
    attempt INTEGER,
    true_first INTEGER,
    true_last INTEGER,
    false_last INTEGER,
    true_arrival INTEGER,
    true_unknown INTEGER,
    false_unknown INTEGER,
    number_true INTEGER,            -- time of the first valid true conversion known by number only
    number_reported INTEGER,        -- 1 if there is any conversion known by number only; else 0 or NULL
    session INTEGER,                -- if it is the first of its session: how many of the others are verified; else NULL
    vendor_message_id TEXT,         -- the smallest that a report has named; NULL if none has
    receipt INTEGER,                -- the status of its receipts, as model.ReceiptStatus; NULL if it has none
    price INTEGER,                  -- from its receipts, in millionths of the currency; NULL if unknown
    currency TEXT,
    given_at INTEGER GENERATED ALWAYS AS (
        CASE WHEN true_first > requested_at THEN true_first WHEN true_last > requested_at THEN true_last END
    ) VIRTUAL,
    arrived_at INTEGER GENERATED ALWAYS AS (
        CASE WHEN true_arrival > requested_at AND true_arrival <= requested_at + 86400000 THEN true_arrival END
    ) VIRTUAL,
    verified_at INTEGER GENERATED ALWAYS AS (
        CASE WHEN arrived_at IS NULL AND number_true IS NULL THEN given_at
        ELSE min(
            coalesce(given_at, arrived_at, number_true), coalesce(arrived_at, given_at, number_true),
            coalesce(number_true, given_at, arrived_at)
        ) END
    ) VIRTUAL,
    verified INTEGER GENERATED ALWAYS AS (
        verified_at IS NOT NULL
        OR requested_at IS NOT NULL AND (true_arrival IS NOT NULL OR true_unknown IS NOT NULL)
    ) VIRTUAL,
    reported INTEGER GENERATED ALWAYS AS (
        true_first IS NOT NULL OR false_last IS NOT NULL OR true_arrival IS NOT NULL OR true_unknown IS NOT NULL
        OR false_unknown IS NOT NULL OR number_reported IS 1
    ) VIRTUAL,
    delay_bin INTEGER GENERATED ALWAYS AS (     -- the bin of the time from request to verification, as model.delay_bin
        max(0, min(34, CAST(1 + 2 * log2((verified_at - requested_at) / 1000.0) AS INTEGER)))
    ) VIRTUAL,
    UNIQUE (account, message_id)
) STRICT;

-- The receipts under each id of a vendor, joined: the earliest time of each status, ms.
CREATE TABLE IF NOT EXISTS receipts (
    account INTEGER NOT NULL,
    vendor_message_id TEXT NOT NULL,
    {status: $status_at INTEGER},
    error TEXT NOT NULL,            -- of the earliest failure
    price INTEGER,                  -- in millionths of the currency; NULL if unknown
    currency TEXT,
    segments INTEGER NOT NULL,
    known INTEGER NOT NULL,         -- 1 if a message has this id
    first_failure INTEGER GENERATED ALWAYS AS (
        nullif(
            min(coalesce(expired_at, 1 << 62), coalesce(rejected_at, 1 << 62), coalesce(failed_at, 1 << 62)), 1 << 62
        )
    ) VIRTUAL,
    status INTEGER GENERATED ALWAYS AS (
        CASE WHEN delivered_at IS NOT NULL THEN 6 WHEN failed_at IS NOT NULL THEN 5 WHEN rejected_at IS NOT NULL THEN 4
        WHEN expired_at IS NOT NULL THEN 3 WHEN sent_at IS NOT NULL THEN 2 WHEN accepted_at IS NOT NULL THEN 1 ELSE 0 END
    ) VIRTUAL,
    newest INTEGER GENERATED ALWAYS AS (max({status: coalesce($status_at, 0)})) VIRTUAL,
    PRIMARY KEY (account, vendor_message_id)
) STRICT, WITHOUT ROWID;

-- Receipts of unknown messages, by the time that decides when they expire.
CREATE INDEX IF NOT EXISTS receipts_unknown ON receipts (newest) WHERE NOT known;

-- The same as JSON that receipts.py decodes.
CREATE VIEW IF NOT EXISTS receipt_states AS
SELECT account, vendor_message_id,
    json_array(json_array({status: $status_at}), error, price, coalesce(currency, ''), segments) AS state
FROM receipts;

-- The state of each message, as JSON that model.py decodes, and of its receipts.
CREATE VIEW IF NOT EXISTS message_states AS
SELECT m.id, m.account, m.message_id, m.requested_at, m.number, m.verified_at, m.reported,
    '[' || iif(m.requested_at IS NULL, 'null', json_array(
        1, m.account, m.message_id, m.requested_at,
        coalesce(
            json(m.reported_values),
            json_array(d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key)
        ),
        lower(hex(m.number)), m.number_range, m.session_id, m.attempt, coalesce(m.vendor_message_id, '')
    )) || ',' || coalesce(m.true_first, 'null') || ',' || coalesce(m.true_last, 'null')
    || ',' || coalesce(m.false_last, 'null') || ',' || coalesce(m.true_arrival, 'null')
    || ',' || coalesce(m.true_unknown, 'null') || ',' || coalesce(m.false_unknown, 'null') || ']' AS state,
    iif(m.receipt IS NULL, 'null', (
        SELECT r.state FROM receipt_states AS r
        WHERE r.account = m.account AND r.vendor_message_id = coalesce(m.vendor_message_id, m.message_id)
    )) AS receipt
FROM messages AS m LEFT JOIN dimensions AS d ON d.id = m.dimensions;

-- Unmatched messages, by the time of their newest conversion, since that time decides when they expire.
CREATE INDEX IF NOT EXISTS messages_unmatched ON messages (
    account,
    max(
        coalesce(true_last, 0), coalesce(false_last, 0), coalesce(true_arrival, 0), coalesce(true_unknown, 0),
        coalesce(false_unknown, 0)
    )
) WHERE requested_at IS NULL;

-- The day comes first, so that messages near in time are near on disk although the hashes of numbers are random.
-- The messages of a number follow in the order of the law. So one lookup finds the last one before an instant, and one
-- the first one after it.
CREATE INDEX IF NOT EXISTS messages_by_number ON messages (requested_at / 86400000, number, requested_at, message_id)
WHERE requested_at IS NOT NULL AND number IS NOT NULL;

-- Most sessions have one message. The later messages of a session have an index of their own, in the order of the
-- law. So the first message of any session takes one lookup, and most sessions have no row in the second index.
CREATE INDEX IF NOT EXISTS messages_first_of_session ON messages (account, session_id) WHERE session IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_later_in_session ON messages (account, session_id, requested_at, message_id)
WHERE session IS NULL AND session_id <> '';

-- The messages that name an id of a vendor, and those of them that have receipts.
CREATE INDEX IF NOT EXISTS messages_by_vendor_id ON messages (account, vendor_message_id, requested_at, message_id)
WHERE vendor_message_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_with_receipt ON messages (account, vendor_message_id)
WHERE vendor_message_id IS NOT NULL AND receipt IS NOT NULL;

CREATE TABLE IF NOT EXISTS number_conversions (
    account INTEGER NOT NULL,
    number BLOB NOT NULL,
    delivered INTEGER NOT NULL,
    conversion_time INTEGER NOT NULL,
    PRIMARY KEY (account, number, delivered, conversion_time)
) STRICT, WITHOUT ROWID;

-- Counts of all messages, by provider and country. Adding up the days would take longer every year.
CREATE TABLE IF NOT EXISTS routes (
    account INTEGER NOT NULL,
    provider TEXT NOT NULL,
    country TEXT NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, provider, country),
    CHECK (0 <= verified AND verified <= requested)
) STRICT, WITHOUT ROWID;

-- The UTC hours in which a number has conversions that no message explains; unmatched.sql maintains them.
CREATE TABLE IF NOT EXISTS unmatched_hours (
    account INTEGER NOT NULL,
    number BLOB NOT NULL,
    start INTEGER NOT NULL,
    PRIMARY KEY (account, number, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS unmatched_hours_by_time ON unmatched_hours (start);

-- How many messages, and how many numbers, have conversions but no known message.
CREATE TABLE IF NOT EXISTS unmatched (
    account INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL CHECK (messages >= 0),
    numbers INTEGER NOT NULL CHECK (numbers >= 0)
) STRICT;

CREATE TABLE IF NOT EXISTS self_reported_rates (
    account INTEGER NOT NULL,
    report_time INTEGER NOT NULL,
    rate REAL NOT NULL,
    PRIMARY KEY (account, report_time, rate)
) STRICT, WITHOUT ROWID;

-- Counts of the messages requested in a UTC day, an hour, a quarter of an hour or a minute; a question reads the
-- coarsest grain that fits. Messages requested at or after progress.minutes_from are counted by minute and not by
-- quarter of an hour; earlier messages are counted by quarter and not by minute. A session is counted where its first
-- message is. d0 to d34 count the verified messages by messages.delay_bin. columns.py writes out {count: …} and
-- {bin: …}.
CREATE TABLE IF NOT EXISTS rollups (
    grain INTEGER NOT NULL,         -- length of the time slot, ms
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    {count: $count INTEGER NOT NULL},
    {bin: d$bin INTEGER NOT NULL},
    PRIMARY KEY (grain, account, start, dimensions),
    CHECK (0 <= verified AND verified <= reported AND reported <= requested),
    CHECK (0 <= delivered_verified AND delivered_verified <= delivered AND delivered <= receipted AND receipted <= requested),
    CHECK (delivered_verified <= verified),
    CHECK (0 <= first_verified AND first_verified <= first_requested AND first_requested <= requested),
    -- During a rebuild, sessions can exceed requested for a while: see `settle` in changes.sql.
    CHECK (0 <= sessions_verified AND sessions_verified <= sessions)
) STRICT, WITHOUT ROWID;

-- Counts of the messages with a number requested in a UTC hour, by number range. `country` and `provider` are those of the
-- dimensions that count a message. All rows before progress.ranges_from are forgotten. Differences are inserted, so no rule
-- of the table says that 0 <= verified <= requested.
CREATE TABLE IF NOT EXISTS range_rollups (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    number_range TEXT NOT NULL,
    country TEXT NOT NULL,
    provider TEXT NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, start, number_range, country, provider)
) STRICT, WITHOUT ROWID;

-- What deleted messages contribute to them, by the range as reported.
CREATE TABLE IF NOT EXISTS kept_ranges (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    number_range TEXT NOT NULL,
    country TEXT NOT NULL,
    provider TEXT NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, start, number_range, country, provider)
) STRICT, WITHOUT ROWID;

-- How many characters the ranges of a country have at most on a day that has too many of them.
CREATE TABLE IF NOT EXISTS range_lengths (
    account INTEGER NOT NULL,
    day INTEGER NOT NULL,           -- days since 1970
    country TEXT NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (account, day, country)
) STRICT, WITHOUT ROWID;

-- What deleted messages contribute to the rollups and routes for good, so that the doctor can compare these with a
-- recount. Times at or after progress.minutes_from are minutes; earlier ones are minutes or quarters of an hour.
CREATE TABLE IF NOT EXISTS kept_counts (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    {count: $count INTEGER NOT NULL},
    {bin: d$bin INTEGER NOT NULL},
    PRIMARY KEY (account, start, dimensions)
) STRICT, WITHOUT ROWID;

-- What the messages that rollups count cost: those with a price, and the sum of their prices in millionths.
CREATE TABLE IF NOT EXISTS cost_rollups (
    grain INTEGER NOT NULL,
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    currency TEXT NOT NULL,
    messages INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (grain, account, start, dimensions, currency),
    CHECK (0 <= messages AND 0 <= micros)
) STRICT, WITHOUT ROWID;

-- What deleted messages contribute to the costs for good; times as in kept_counts.
CREATE TABLE IF NOT EXISTS kept_costs (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    currency TEXT NOT NULL,
    messages INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (account, start, dimensions, currency)
) STRICT, WITHOUT ROWID;
