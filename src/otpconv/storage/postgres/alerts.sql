-- The alerts of all accounts, and what became of them. Times are milliseconds since the Unix epoch, UTC.

-- name: alerts_schema
-- A migration may run it again.
-- The number of the last event.
CREATE TABLE IF NOT EXISTS alert_sequence (
    one boolean PRIMARY KEY CHECK (one),
    seq bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO alert_sequence VALUES (true, 0) ON CONFLICT DO NOTHING;

-- How far the detectors have looked at each account. Who changes alerts of an account first writes its row.
CREATE TABLE IF NOT EXISTS alert_checkpoints (
    account integer PRIMARY KEY,
    at      bigint NOT NULL             -- the start of the next minute to look at
) WITH (fillfactor = 10);

-- What each detector remembers.
CREATE TABLE IF NOT EXISTS alert_parts (
    account integer NOT NULL,
    name    text COLLATE "C" NOT NULL,
    memory  bytea NOT NULL,
    PRIMARY KEY (account, name)
);

CREATE TABLE IF NOT EXISTS alerts (
    alert_id      bigint PRIMARY KEY,   -- the number of the event that opened it
    account       integer NOT NULL,
    kind          text COLLATE "C" NOT NULL,
    slice         text COLLATE "C" NOT NULL,    -- its dimensions and values, in order, as JSON
    found         text NOT NULL,        -- the last finding, as JSON
    state         text COLLATE "C" NOT NULL,
    found_at      bigint NOT NULL,
    updated_at    bigint NOT NULL,
    resolved_at   bigint,
    changed_at    bigint NOT NULL,
    changed_by    text NOT NULL,
    snoozed_until bigint,
    note          text NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS alerts_lasting ON alerts (account, kind, slice) WHERE state <> 'resolved';
CREATE INDEX IF NOT EXISTS alerts_by_state ON alerts (account, state, alert_id);
CREATE INDEX IF NOT EXISTS alerts_resolved ON alerts (resolved_at) WHERE state = 'resolved';

CREATE TABLE IF NOT EXISTS alert_events (
    seq       bigint PRIMARY KEY,
    account   integer NOT NULL,
    alert_id  bigint NOT NULL,
    happening text NOT NULL,
    at        bigint NOT NULL,
    author    text NOT NULL,            -- a user's name; empty: otpconv itself
    note      text NOT NULL
);

CREATE INDEX IF NOT EXISTS alert_events_of ON alert_events (alert_id, seq);
