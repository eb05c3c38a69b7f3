-- Targets of notifications of alerts. Times are milliseconds since the Unix epoch, UTC.

-- name: alert_targets_schema
CREATE TABLE IF NOT EXISTS alert_targets (
    target_id      integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id     integer NOT NULL REFERENCES accounts,
    name           text COLLATE "C" NOT NULL,
    kind           text NOT NULL,
    settings       text NOT NULL,       -- JSON object of what may be shown
    rules          text NOT NULL,       -- JSON of access.alert_targets.Rules
    sealed_secrets bytea NOT NULL,
    created_at     bigint NOT NULL,
    UNIQUE (account_id, name)
);
