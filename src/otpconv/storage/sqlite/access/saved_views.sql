-- Saved views of the dashboard, added to files of every version. Times are ms since the Unix epoch, UTC.

CREATE TABLE IF NOT EXISTS saved_views (
    view_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts,
    name       TEXT NOT NULL,
    query      TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;
