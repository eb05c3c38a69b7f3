-- The ledger: one row a message, and the rollups. All times are milliseconds since the Unix epoch, UTC.
-- The triggers add what a message contributes after a change and take off what it contributed before, so
-- whatever changes a message, the rollups stay equal to a recount.

-- name: schema
CREATE TABLE IF NOT EXISTS progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cursor INTEGER NOT NULL,        -- the last journal entry that is in here
    minutes_from INTEGER NOT NULL   -- rollups by minute are kept from here on
) STRICT;
INSERT OR IGNORE INTO progress VALUES (1, 0, 0);

CREATE TABLE IF NOT EXISTS dimensions (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    country TEXT NOT NULL, carrier TEXT NOT NULL, provider TEXT NOT NULL,
    template TEXT NOT NULL, sender TEXT NOT NULL, channel TEXT NOT NULL,
    UNIQUE (account, country, carrier, provider, template, sender, channel)
) STRICT;

-- In the order of arrival, so that messages near in time share pages.
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    requested_at INTEGER,           -- NULL while unmatched
    dimensions INTEGER REFERENCES dimensions (id),
    number BLOB,
    number_range TEXT,
    session_id TEXT,
    attempt INTEGER,
    true_first INTEGER,
    true_last INTEGER,
    false_last INTEGER,
    number_true INTEGER,            -- first valid true conversion known by number alone
    verified_by_id INTEGER GENERATED ALWAYS AS (
        CASE WHEN true_first > requested_at THEN true_first WHEN true_last > requested_at THEN true_last END
    ) VIRTUAL,
    verified_at INTEGER GENERATED ALWAYS AS (
        coalesce(min(verified_by_id, number_true), verified_by_id, number_true)
    ) VIRTUAL,
    UNIQUE (account, message_id)
) STRICT;

-- What is known of a message, as model.py reads it.
CREATE VIEW IF NOT EXISTS message_states AS
SELECT m.id, m.account, m.message_id, m.requested_at, m.number, m.verified_at,
    '[' || iif(m.requested_at IS NULL, 'null', json_array(
        1, m.account, m.message_id, m.requested_at,
        json_array(d.country, d.carrier, d.provider, d.template, d.sender, d.channel),
        lower(hex(m.number)), m.number_range, m.session_id, m.attempt
    )) || ',' || coalesce(m.true_first, 'null') || ',' || coalesce(m.true_last, 'null')
    || ',' || coalesce(m.false_last, 'null') || ']' AS state
FROM messages AS m LEFT JOIN dimensions AS d ON d.id = m.dimensions;

CREATE INDEX IF NOT EXISTS messages_unmatched ON messages (account) WHERE requested_at IS NULL;

-- By day first: what is near in time stays near on disk, although hashes are random.
CREATE INDEX IF NOT EXISTS messages_by_number ON messages (requested_at / 86400000, number)
WHERE requested_at IS NOT NULL AND number IS NOT NULL;

CREATE TABLE IF NOT EXISTS number_conversions (
    account INTEGER NOT NULL,
    number BLOB NOT NULL,
    conversion_time INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    PRIMARY KEY (account, number, conversion_time, delivered)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS self_reported_rates (
    account INTEGER NOT NULL,
    report_time INTEGER NOT NULL,
    rate REAL NOT NULL,
    PRIMARY KEY (account, report_time, rate)
) STRICT, WITHOUT ROWID;

-- All three are kept alike; a question takes the coarsest that fits. Days are those of UTC.
CREATE TABLE IF NOT EXISTS rollups_day (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, start, dimensions),
    CHECK (0 <= verified AND verified <= requested)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rollups_hour (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, start, dimensions),
    CHECK (0 <= verified AND verified <= requested)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rollups_minute (
    account INTEGER NOT NULL,
    start INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    requested INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (account, start, dimensions),
    CHECK (0 <= verified AND verified <= requested)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS message_requested AFTER INSERT ON messages WHEN NEW.requested_at IS NOT NULL
BEGIN
    INSERT INTO rollups_day
    SELECT NEW.account, NEW.requested_at / 86400000 * 86400000, NEW.dimensions, 1, NEW.verified_at IS NOT NULL
    WHERE NEW.requested_at IS NOT NULL
    ON CONFLICT DO UPDATE SET requested = requested + 1, verified = verified + excluded.verified;
    INSERT INTO rollups_hour
    SELECT NEW.account, NEW.requested_at / 3600000 * 3600000, NEW.dimensions, 1, NEW.verified_at IS NOT NULL
    WHERE NEW.requested_at IS NOT NULL
    ON CONFLICT DO UPDATE SET requested = requested + 1, verified = verified + excluded.verified;
    INSERT INTO rollups_minute
    SELECT NEW.account, NEW.requested_at / 60000 * 60000, NEW.dimensions, 1, NEW.verified_at IS NOT NULL
    FROM progress WHERE NEW.requested_at >= minutes_from
    ON CONFLICT DO UPDATE SET requested = requested + 1, verified = verified + excluded.verified;
END;

CREATE TRIGGER IF NOT EXISTS message_verified AFTER UPDATE ON messages
WHEN OLD.requested_at = NEW.requested_at AND OLD.dimensions = NEW.dimensions
    AND (OLD.verified_at IS NULL) <> (NEW.verified_at IS NULL)
BEGIN
    UPDATE rollups_day SET verified = verified + (NEW.verified_at IS NOT NULL) - (OLD.verified_at IS NOT NULL)
    WHERE account = NEW.account AND start = NEW.requested_at / 86400000 * 86400000 AND dimensions = NEW.dimensions;
    UPDATE rollups_hour SET verified = verified + (NEW.verified_at IS NOT NULL) - (OLD.verified_at IS NOT NULL)
    WHERE account = NEW.account AND start = NEW.requested_at / 3600000 * 3600000 AND dimensions = NEW.dimensions;
    UPDATE rollups_minute SET verified = verified + (NEW.verified_at IS NOT NULL) - (OLD.verified_at IS NOT NULL)
    WHERE account = NEW.account AND start = NEW.requested_at / 60000 * 60000 AND dimensions = NEW.dimensions;
END;

CREATE TRIGGER IF NOT EXISTS message_moved AFTER UPDATE ON messages
WHEN OLD.requested_at IS NOT NEW.requested_at OR OLD.dimensions IS NOT NEW.dimensions
BEGIN
    UPDATE rollups_day SET requested = requested - 1, verified = verified - (OLD.verified_at IS NOT NULL)
    WHERE account = OLD.account AND start = OLD.requested_at / 86400000 * 86400000 AND dimensions = OLD.dimensions;
    DELETE FROM rollups_day
    WHERE account = OLD.account AND start = OLD.requested_at / 86400000 * 86400000 AND dimensions = OLD.dimensions AND requested = 0;
    INSERT INTO rollups_day
    SELECT NEW.account, NEW.requested_at / 86400000 * 86400000, NEW.dimensions, 1, NEW.verified_at IS NOT NULL
    WHERE NEW.requested_at IS NOT NULL
    ON CONFLICT DO UPDATE SET requested = requested + 1, verified = verified + excluded.verified;
    UPDATE rollups_hour SET requested = requested - 1, verified = verified - (OLD.verified_at IS NOT NULL)
    WHERE account = OLD.account AND start = OLD.requested_at / 3600000 * 3600000 AND dimensions = OLD.dimensions;
    DELETE FROM rollups_hour
    WHERE account = OLD.account AND start = OLD.requested_at / 3600000 * 3600000 AND dimensions = OLD.dimensions AND requested = 0;
    INSERT INTO rollups_hour
    SELECT NEW.account, NEW.requested_at / 3600000 * 3600000, NEW.dimensions, 1, NEW.verified_at IS NOT NULL
    WHERE NEW.requested_at IS NOT NULL
    ON CONFLICT DO UPDATE SET requested = requested + 1, verified = verified + excluded.verified;
    UPDATE rollups_minute SET requested = requested - 1, verified = verified - (OLD.verified_at IS NOT NULL)
    WHERE account = OLD.account AND start = OLD.requested_at / 60000 * 60000 AND dimensions = OLD.dimensions;
    DELETE FROM rollups_minute
    WHERE account = OLD.account AND start = OLD.requested_at / 60000 * 60000 AND dimensions = OLD.dimensions AND requested = 0;
    INSERT INTO rollups_minute
    SELECT NEW.account, NEW.requested_at / 60000 * 60000, NEW.dimensions, 1, NEW.verified_at IS NOT NULL
    FROM progress WHERE NEW.requested_at >= minutes_from
    ON CONFLICT DO UPDATE SET requested = requested + 1, verified = verified + excluded.verified;
END;
