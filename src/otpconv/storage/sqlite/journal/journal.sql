-- The journal: one row per commit, so that recording reports takes a single statement. Rows are only ever added,
-- except that the reports of deleted messages are erased from them.
-- All times are milliseconds since the Unix epoch, UTC.

-- name: schema
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY,    -- position of the batch's last entry; the first entry has position 1
    recorded_at INTEGER NOT NULL,
    unmatched_before INTEGER,   -- an expiry or erasure is alone in its batch, and only it has these two values
    minutes_from INTEGER,       -- both are 0 in an erasure
    reports TEXT,               -- JSON list of reports, as model.py encodes them, or of one erasure; NULL in an expiry
    nonces TEXT,                -- JSON list of [fingerprint, signed_at]
    checksum INTEGER,           -- of this row, as rows.py computes it
    chain INTEGER,              -- of all checksums up to this row: equal only if all rows up to here are equal
    original INTEGER            -- the checksum when it was written, if reports were erased since; `chain` includes this one
) STRICT;

-- Erasures whose messages may still be in the journal.
CREATE INDEX IF NOT EXISTS batches_erasures ON batches (seq)
WHERE minutes_from = 0 AND reports IS NOT NULL AND original IS NULL;

CREATE TABLE IF NOT EXISTS about (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    identity BLOB NOT NULL,     -- random; only copies of this journal have the same
    unchecked INTEGER NOT NULL, -- rows up to here were written by an otpconv without checksums
    had_keys INTEGER NOT NULL   -- 1 once a server with access keys has used the folder
) STRICT;
INSERT OR IGNORE INTO about
SELECT 1, randomblob(16), coalesce(max(seq), 0), count(*) > 0 FROM batches
WHERE NOT EXISTS (SELECT 1 FROM about); -- count(*) runs once, not at each start

-- Rows that an operator has set aside. They stay in batches, but are not read.
CREATE TABLE IF NOT EXISTS set_aside (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,         -- 'row': the row is damaged; 'gap': rows before it are missing
    problem TEXT NOT NULL,
    PRIMARY KEY (seq, kind)
) STRICT, WITHOUT ROWID;

-- name: upgrade
ALTER TABLE batches ADD COLUMN checksum INTEGER;
ALTER TABLE batches ADD COLUMN chain INTEGER;

-- name: second_upgrade
ALTER TABLE batches ADD COLUMN original INTEGER;

-- name: append
-- Inserts nothing if another process has appended since :previous.
INSERT INTO batches
SELECT :seq, :recorded_at, :unmatched_before, :minutes_from, CAST(:reports AS TEXT), CAST(:nonces AS TEXT), :checksum,
    :chain, NULL
WHERE (SELECT coalesce(max(seq), 0) FROM batches) = :previous;

-- name: add
-- A row of a copy, whose position is that of the original.
INSERT INTO batches VALUES (?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?);

-- name: head
SELECT coalesce(max(seq), 0) FROM batches;

-- name: last
-- Damage may leave a text that can't be decoded where the chain was.
SELECT seq, iif(typeof(chain) = 'integer', chain, NULL) FROM batches ORDER BY seq DESC LIMIT 1;

-- name: newest_nonces
SELECT recorded_at, CAST(nonces AS BLOB) FROM batches
WHERE seq NOT IN (SELECT seq FROM set_aside WHERE kind = 'row') ORDER BY seq DESC;

-- name: newest_report_time
SELECT recorded_at FROM batches WHERE unmatched_before IS NULL ORDER BY seq DESC LIMIT 1;

-- name: oldest_time
SELECT recorded_at FROM batches ORDER BY seq LIMIT 1;

-- name: about
SELECT iif(typeof(identity) = 'blob', identity, NULL), unchecked, had_keys FROM about;

-- name: known_problems
SELECT seq, kind FROM set_aside ORDER BY seq;

-- name: note_keys
UPDATE about SET had_keys = 1 WHERE NOT had_keys;

-- name: set_aside
INSERT OR IGNORE INTO set_aside VALUES (:seq, :kind, :problem);

-- name: rows
SELECT seq, recorded_at, unmatched_before, minutes_from, CAST(reports AS BLOB), CAST(nonces AS BLOB), checksum,
    iif(typeof(chain) = 'integer', chain, NULL), typeof(reports), typeof(nonces), original
FROM batches WHERE seq BETWEEN :first AND :last ORDER BY seq;

-- name: rows_from
-- The rows after a position, with the one that holds it or ends before it first.
SELECT seq, recorded_at, unmatched_before, minutes_from, CAST(reports AS BLOB), CAST(nonces AS BLOB), checksum,
    iif(typeof(chain) = 'integer', chain, NULL), typeof(reports), typeof(nonces), original
FROM batches WHERE seq >= coalesce((SELECT max(seq) FROM batches WHERE seq <= :after), 0) ORDER BY seq;

-- name: positions
SELECT seq FROM batches WHERE seq > :after ORDER BY seq LIMIT 1000;

-- name: chain_at
SELECT chain FROM batches WHERE seq = :seq;

-- name: is_believed
-- Older versions wrote an expiry by the wall clock alone. If that was more than a day ahead of the newest report before
-- the expiry, the clock may have been wrong, and the expiry is ignored.
SELECT e.recorded_at - 86400000 <= coalesce(
    (SELECT r.recorded_at FROM batches AS r
     WHERE r.seq < e.seq AND r.unmatched_before IS NULL ORDER BY r.seq DESC LIMIT 1),
    e.recorded_at
)
FROM batches AS e WHERE e.seq = :seq;
