-- The journal: append only, one row a commit, so that the way of a report runs a single statement.
-- All times are milliseconds since the Unix epoch, UTC.

-- name: schema
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY,    -- position of the batch's last entry; entries are counted from 1
    recorded_at INTEGER NOT NULL,
    unmatched_before INTEGER,   -- an expiry stands alone in its batch, and has these two
    minutes_from INTEGER,
    reports TEXT,               -- a JSON list of reports, as model.py writes them
    nonces TEXT                 -- a JSON list of [fingerprint, signed_at]
) STRICT;

-- name: append
INSERT INTO batches VALUES (
    (SELECT coalesce(max(seq), 0) FROM batches) + :count, :recorded_at, :unmatched_before, :minutes_from, :reports,
    :nonces
);

-- name: head
SELECT coalesce(max(seq), 0) FROM batches;

-- name: newest_nonces
SELECT recorded_at, nonces FROM batches ORDER BY seq DESC;
