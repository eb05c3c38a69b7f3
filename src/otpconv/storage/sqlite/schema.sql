-- The ledger: one row a message, and the rollups. All times are milliseconds since the Unix epoch, UTC.
-- The rollups are derived from the messages by the triggers of changes.sql.

-- name: schema
CREATE TABLE IF NOT EXISTS progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cursor INTEGER NOT NULL,        -- the last journal entry that is in here
    minutes_from INTEGER NOT NULL   -- rollups by minute are kept from here on, by quarter of an hour before it
) STRICT;
INSERT OR IGNORE INTO progress VALUES (1, 0, 0);

-- What the messages of a day (of UTC, by requested_at) are counted by; dimensions.sql says which there are.
CREATE TABLE IF NOT EXISTS dimensions (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    day INTEGER NOT NULL,           -- days since 1970
    country TEXT NOT NULL, carrier TEXT NOT NULL, provider TEXT NOT NULL,
    template TEXT NOT NULL, sender TEXT NOT NULL, channel TEXT NOT NULL, access_key TEXT NOT NULL,
    folded INTEGER GENERATED ALWAYS AS (     -- whether a value stands for others
        '(other)' IN (country, carrier, provider, template, sender, channel, access_key)
    ) VIRTUAL,
    UNIQUE (account, day, country, carrier, provider, template, sender, channel, access_key)
) STRICT;

CREATE INDEX IF NOT EXISTS dimensions_folded ON dimensions (account, day) WHERE folded;

-- The values of a day that are kept apart, but for the empty ones.
CREATE TABLE IF NOT EXISTS dimension_values (
    account INTEGER NOT NULL,
    day INTEGER NOT NULL,
    dimension INTEGER NOT NULL,     -- 0 for country, 1 for carrier, …, in the order of the columns above
    value TEXT NOT NULL,
    PRIMARY KEY (account, day, dimension, value)
) STRICT, WITHOUT ROWID;

-- In the order of arrival, so that messages near in time share pages.
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    requested_at INTEGER,           -- NULL while unmatched
    dimensions INTEGER REFERENCES dimensions (id),
    told TEXT,                      -- the values as they were reported, a JSON list, where some are counted as `(other)`
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
    number_true INTEGER,            -- first valid true conversion known by number alone
    number_heard INTEGER,           -- 1 when there is any conversion known by number alone, 0 or NULL when not
    session INTEGER,                -- of its session's first message: how many others of it are verified
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
        OR false_unknown IS NOT NULL OR number_heard IS 1
    ) VIRTUAL,
    delay_bin INTEGER GENERATED ALWAYS AS (     -- how long it took to verify, as `delay_bin` in model.py
        max(0, min(34, CAST(1 + 2 * log2((verified_at - requested_at) / 1000.0) AS INTEGER)))
    ) VIRTUAL,
    UNIQUE (account, message_id)
) STRICT;

-- What is known of a message, as model.py reads it.
CREATE VIEW IF NOT EXISTS message_states AS
SELECT m.id, m.account, m.message_id, m.requested_at, m.number, m.verified_at, m.reported,
    '[' || iif(m.requested_at IS NULL, 'null', json_array(
        1, m.account, m.message_id, m.requested_at,
        coalesce(
            json(m.told),
            json_array(d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key)
        ),
        lower(hex(m.number)), m.number_range, m.session_id, m.attempt
    )) || ',' || coalesce(m.true_first, 'null') || ',' || coalesce(m.true_last, 'null')
    || ',' || coalesce(m.false_last, 'null') || ',' || coalesce(m.true_arrival, 'null')
    || ',' || coalesce(m.true_unknown, 'null') || ',' || coalesce(m.false_unknown, 'null') || ']' AS state
FROM messages AS m LEFT JOIN dimensions AS d ON d.id = m.dimensions;

-- Each with the newest of its conversions, by which it expires.
CREATE INDEX IF NOT EXISTS messages_unmatched ON messages (
    account,
    max(
        coalesce(true_last, 0), coalesce(false_last, 0), coalesce(true_arrival, 0), coalesce(true_unknown, 0),
        coalesce(false_unknown, 0)
    )
) WHERE requested_at IS NULL;

-- By day first: what is near in time stays near on disk, although hashes are random. Then the messages of a number
-- in the order of the law, so that the one before and the one after any instant are each a single lookup.
CREATE INDEX IF NOT EXISTS messages_by_number ON messages (requested_at / 86400000, number, requested_at, message_id)
WHERE requested_at IS NOT NULL AND number IS NOT NULL;

-- Most sessions have one message. Those that come later in a session are kept apart, in the order of the law: so
-- the first message of any session is a single lookup, and the second one of most sessions costs nothing.
CREATE INDEX IF NOT EXISTS messages_first_of_session ON messages (account, session_id) WHERE session IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_later_in_session ON messages (account, session_id, requested_at, message_id)
WHERE session IS NULL AND session_id <> '';

CREATE TABLE IF NOT EXISTS number_conversions (
    account INTEGER NOT NULL,
    number BLOB NOT NULL,
    delivered INTEGER NOT NULL,
    conversion_time INTEGER NOT NULL,
    PRIMARY KEY (account, number, delivered, conversion_time)
) STRICT, WITHOUT ROWID;

-- All messages there are, by provider and country: summing the days up takes longer every year.
CREATE TABLE IF NOT EXISTS routes (
    account INTEGER NOT NULL,
    provider TEXT NOT NULL,
    country TEXT NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, provider, country),
    CHECK (0 <= verified AND verified <= requested)
) STRICT, WITHOUT ROWID;

-- The hours (of UTC) of a number with conversions that no message explains; unmatched.sql says how they follow.
CREATE TABLE IF NOT EXISTS unmatched_hours (
    account INTEGER NOT NULL,
    number BLOB NOT NULL,
    start INTEGER NOT NULL,
    PRIMARY KEY (account, number, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS unmatched_hours_by_time ON unmatched_hours (start);

-- How many messages, and how many numbers, have conversions that no message explains.
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

-- Counts of the messages requested in a day (of UTC), hour, quarter of an hour or minute; a question takes the
-- coarsest that fits. What is requested at or after minutes_from is in minutes and in no quarters, what is requested
-- before it in quarters and in no minutes.
-- A session is counted where its first message is. d0 to d34 count the verified messages by `messages.delay_bin`.
CREATE TABLE IF NOT EXISTS rollups (
    grain INTEGER NOT NULL,         -- how long, ms
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    {count: $count INTEGER NOT NULL},
    {bin: d$bin INTEGER NOT NULL},
    PRIMARY KEY (grain, account, start, dimensions),
    CHECK (0 <= verified AND verified <= reported AND reported <= requested),
    CHECK (0 <= first_verified AND first_verified <= first_requested AND first_requested <= requested),
    CHECK (0 <= sessions_verified AND sessions_verified <= sessions AND sessions <= requested)
) STRICT, WITHOUT ROWID;
