-- The journal: one row per append. Rows are only ever added, except that the reports of deleted messages are erased from
-- them. Today there is one writer, number 1, and its rows are in bucket 0. Each writer's positions have no gap, so a
-- follower that has read up to its newest entry has missed nothing. All times are milliseconds since the Unix epoch, UTC.

-- name: journal_schema
CREATE TABLE writers (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    last bigint NOT NULL,           -- position of the writer's last entry; the first entry has position 1
    PRIMARY KEY (bucket, writer)
) WITH (fillfactor = 10);
INSERT INTO writers VALUES (0, 1, 0);

CREATE TABLE journal (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    seq bigint NOT NULL,            -- position of the row's last entry
    recorded_at bigint NOT NULL,
    unmatched_before bigint,        -- an expiry or erasure is alone in its row, and only it has these two values
    minutes_from bigint,            -- both are 0 in an erasure
    reports jsonb,                  -- list of reports, as model.py encodes them, or of one erasure; NULL in an expiry
    buckets smallint[],             -- of each report, that of its message; in an erasure, of each message in it
    nonces jsonb,                   -- list of [fingerprint, signed_at]
    token uuid NOT NULL,            -- random: shows whether a commit whose outcome is unknown was made
    erased boolean NOT NULL,        -- whether reports were erased from the row
    PRIMARY KEY (bucket, writer, seq)
);
-- The default compression takes several times as long; a PostgreSQL without lz4 uses it nonetheless.
DO $$ BEGIN
    ALTER TABLE journal ALTER reports SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
-- Erasures whose messages may still be in the journal.
CREATE INDEX journal_erasures ON journal (seq) WHERE minutes_from = 0 AND reports IS NOT NULL AND NOT erased;

CREATE TABLE about (
    bucket smallint PRIMARY KEY,
    had_keys boolean NOT NULL       -- true once a server with access keys has used the database
);
INSERT INTO about VALUES (0, false);

-- name: append_schema
-- `alone` makes the row durable by two commits. The first one waits for nothing, neither for the disk nor for a standby. So
-- the row of the writer, which gives the positions without a gap, is free at once for the commits of others. The second one
-- waits, and writes something without a lock: the log becomes durable in its order, so the row has become so too. Otherwise
-- the caller commits, and then confirms.
CREATE OR REPLACE PROCEDURE append(
    count bigint, recorded_at bigint, unmatched_before bigint, minutes_from bigint, reports jsonb, buckets smallint[],
    nonces jsonb, token uuid, alone boolean, INOUT seq bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE writers SET last = last + count WHERE bucket = 0 AND writer = 1 RETURNING last INTO STRICT seq;
    INSERT INTO journal
    VALUES (0, 1, seq, recorded_at, unmatched_before, minutes_from, reports, buckets, nonces, token, false);
    IF alone THEN
        COMMIT;
        PERFORM pg_logical_emit_message(true, 'otpconv', '');
    END IF;
END $$;

-- name: append
CALL append(
    :count, :recorded_at, :unmatched_before, :minutes_from, :reports, :buckets, :nonces, :token, :alone, NULL
);

-- name: touch_writer
-- A write that changes nothing, as an append: it waits for the transaction that holds the row, and its commit for nothing.
UPDATE writers SET last = last WHERE bucket = 0 AND writer = 1 RETURNING set_config('synchronous_commit', 'off', true);

-- name: confirm
-- A write without a lock, whose commit waits for the disk and the standbys, and so for all earlier ones. The first part
-- makes a server refuse it that takes no writes.
WITH nothing AS (UPDATE writers SET last = last WHERE false)
SELECT pg_logical_emit_message(true, 'otpconv', '');

-- name: appended
SELECT max(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > :after AND token = CAST(CAST(:token AS text) AS uuid);

-- name: head
SELECT last FROM writers WHERE bucket = 0 AND writer = 1;

-- name: rows
SELECT seq, recorded_at, unmatched_before, minutes_from, reports::text FROM journal
WHERE bucket = 0 AND writer = 1 AND seq > :after ORDER BY seq LIMIT :most;

-- name: row
SELECT reports::text FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq;

-- name: newest_nonces
SELECT recorded_at, nonces::text FROM journal WHERE bucket = 0 AND writer = 1 ORDER BY seq DESC;

-- name: newest_report_time
SELECT recorded_at FROM journal
WHERE bucket = 0 AND writer = 1 AND unmatched_before IS NULL ORDER BY seq DESC LIMIT 1;

-- name: oldest_time
SELECT recorded_at FROM journal WHERE bucket = 0 AND writer = 1 ORDER BY seq LIMIT 1;

-- name: had_keys
SELECT had_keys FROM about WHERE bucket = 0;

-- name: note_keys
UPDATE about SET had_keys = true WHERE bucket = 0 AND NOT had_keys;

-- name: was_used
SELECT (SELECT had_keys FROM about) OR (SELECT max(last) > 0 FROM writers) OR EXISTS (SELECT 1 FROM access_keys);
