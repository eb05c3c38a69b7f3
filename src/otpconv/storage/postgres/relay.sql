-- What the relay keeps. Times are milliseconds since the Unix epoch, UTC.

-- name: relay_schema
CREATE TABLE relay_cursor (
    one boolean PRIMARY KEY CHECK (one),
    position bigint NOT NULL        -- of the last journal entry that was planned
) WITH (fillfactor = 10);
INSERT INTO relay_cursor VALUES (true, 0);

-- The reports to vendors, and their answers. It holds no phone number in clear.
CREATE TABLE relay_sends (
    send_id      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account      integer NOT NULL,
    message_id   text COLLATE "C" NOT NULL,
    vendor       integer NOT NULL,
    feedback     text NOT NULL,
    requested_at bigint NOT NULL,
    at           bigint NOT NULL,
    due_at       bigint NOT NULL,
    until        bigint NOT NULL,
    status       text NOT NULL,
    attempts     integer NOT NULL,
    code         text NOT NULL,
    reason       text NOT NULL,
    sent_at      bigint,
    answered_at  bigint,
    -- the vendor's id of the message, or its sealed number; empty if it is message_id
    vendor_message_id text COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (account, message_id, vendor, feedback)
);
CREATE INDEX relay_waiting ON relay_sends (vendor, due_at, send_id) WHERE status = 'waiting';
CREATE INDEX relay_letters ON relay_sends (vendor, send_id) WHERE status IN ('dead', 'unknown');
CREATE INDEX relay_sending ON relay_sends (vendor) WHERE status = 'sending';
CREATE INDEX relay_by_time ON relay_sends (requested_at);

-- How many of them there are.
CREATE TABLE relay_counts (
    vendor integer NOT NULL,
    status text NOT NULL,
    sends  bigint NOT NULL,
    PRIMARY KEY (vendor, status)
) WITH (fillfactor = 10);

-- How the relay to each vendor account is doing.
CREATE TABLE relay_contacts (
    vendor     integer PRIMARY KEY,
    state      text NOT NULL,
    error      text NOT NULL,
    changed_at bigint NOT NULL
) WITH (fillfactor = 10);

-- name: relay_upgrade_to_2
-- Nodes of version 1 go on, and insert the default.
ALTER TABLE relay_sends ADD COLUMN IF NOT EXISTS vendor_message_id text COLLATE "C" NOT NULL DEFAULT '';
