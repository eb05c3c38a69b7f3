-- alerts.sqlite: the alerts of all accounts, and what became of them. Times are ms since the Unix epoch, UTC.

-- The number of the last event.
CREATE TABLE alert_sequence (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq  INTEGER NOT NULL
) STRICT;
INSERT INTO alert_sequence VALUES (1, 0);

-- How far the detectors have looked at each account. Who changes alerts of an account first writes its row.
CREATE TABLE alert_checkpoints (
    account INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL        -- the start of the next minute to look at
) STRICT;

-- What each detector remembers.
CREATE TABLE alert_parts (
    account INTEGER NOT NULL,
    name    TEXT NOT NULL,
    memory  BLOB NOT NULL,
    PRIMARY KEY (account, name)
) STRICT;

CREATE TABLE alerts (
    alert_id      INTEGER PRIMARY KEY,  -- the number of the event that opened it
    account       INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    slice         TEXT NOT NULL,        -- its dimensions and values, in order, as JSON
    found         TEXT NOT NULL,        -- the last finding, as JSON
    state         TEXT NOT NULL,
    found_at      INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    resolved_at   INTEGER,
    changed_at    INTEGER NOT NULL,
    changed_by    TEXT NOT NULL,
    snoozed_until INTEGER,
    note          TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX alerts_lasting ON alerts (account, kind, slice) WHERE state <> 'resolved';
CREATE INDEX alerts_by_state ON alerts (account, state, alert_id);
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE state = 'resolved';

CREATE TABLE alert_events (
    seq       INTEGER PRIMARY KEY,
    account   INTEGER NOT NULL,
    alert_id  INTEGER NOT NULL,
    happening TEXT NOT NULL,
    at        INTEGER NOT NULL,
    author    TEXT NOT NULL,            -- a user's name; empty: otpconv itself
    note      TEXT NOT NULL
) STRICT;

CREATE INDEX alert_events_of ON alert_events (alert_id, seq);
