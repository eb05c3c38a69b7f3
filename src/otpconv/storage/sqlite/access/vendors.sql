-- Vendor accounts, added to files of every version. Times are ms since the Unix epoch, UTC.

CREATE TABLE IF NOT EXISTS vendor_accounts (
    vendor_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id     INTEGER NOT NULL REFERENCES accounts,
    name           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    provider       TEXT NOT NULL,
    settings       TEXT NOT NULL,       -- JSON object of what may be shown
    sealed_secrets BLOB NOT NULL,
    per_second     INTEGER NOT NULL,    -- 0 uses the limit of the kind
    paused         INTEGER NOT NULL CHECK (paused IN (0, 1)),
    since          INTEGER NOT NULL,    -- position of the last journal entry that is not passed on
    created_at     INTEGER NOT NULL,
    UNIQUE (account_id, name),
    UNIQUE (account_id, provider)
) STRICT;
