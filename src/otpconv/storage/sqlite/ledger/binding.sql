-- The journal that the ledger was built from, and up to which row, so that another journal never continues it.

-- name: schema
CREATE TABLE IF NOT EXISTS source (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    identity BLOB NOT NULL,     -- of the journal
    chain ANY                   -- of its row at the cursor; NULL if an otpconv without checksums wrote the row
) STRICT;

-- name: bind
INSERT OR REPLACE INTO source VALUES (1, :identity, (SELECT chain FROM journal.batches WHERE seq = :cursor));

-- name: bound
SELECT cursor, identity, chain FROM progress LEFT JOIN source;

-- name: row_at
SELECT chain FROM batches WHERE seq = :cursor;
