-- Targets of notifications of alerts, added to files of every version. Times are ms since the Unix epoch, UTC.

CREATE TABLE IF NOT EXISTS alert_targets (
    target_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id     INTEGER NOT NULL REFERENCES accounts,
    name           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    settings       TEXT NOT NULL,       -- JSON object of what may be shown
    rules          TEXT NOT NULL,       -- JSON of access.alert_targets.Rules
    sealed_secrets BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;
