-- relay.sqlite: what the relay keeps. Times are ms since the Unix epoch, UTC.

CREATE TABLE relay_cursor (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    position INTEGER NOT NULL       -- of the last journal entry that was planned
) STRICT;
INSERT INTO relay_cursor VALUES (1, 0);

-- The reports to vendors, and their answers. It holds no phone number in clear.
CREATE TABLE relay_sends (
    send_id      INTEGER PRIMARY KEY,
    account      INTEGER NOT NULL,
    message_id   TEXT NOT NULL,
    vendor       INTEGER NOT NULL,
    feedback     TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    until        INTEGER NOT NULL,
    status       TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    code         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    sent_at      INTEGER,
    answered_at  INTEGER,
    vendor_message_id TEXT NOT NULL, -- the vendor's id of the message, or its sealed number; empty if it is message_id
    UNIQUE (account, message_id, vendor, feedback)
) STRICT;

CREATE INDEX relay_waiting ON relay_sends (vendor, due_at, send_id) WHERE status = 'waiting';
CREATE INDEX relay_letters ON relay_sends (vendor, send_id) WHERE status IN ('dead', 'unknown');
CREATE INDEX relay_sending ON relay_sends (vendor) WHERE status = 'sending';
CREATE INDEX relay_by_time ON relay_sends (requested_at);

-- How many of them there are.
CREATE TABLE relay_counts (
    vendor INTEGER NOT NULL,
    status TEXT NOT NULL,
    sends  INTEGER NOT NULL,
    PRIMARY KEY (vendor, status)
) STRICT, WITHOUT ROWID;

-- How the relay to each vendor account is doing.
CREATE TABLE relay_contacts (
    vendor     INTEGER PRIMARY KEY,
    state      TEXT NOT NULL,
    error      TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
