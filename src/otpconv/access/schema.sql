-- Version 1 of access.sqlite. Times are milliseconds since the Unix epoch, UTC.

CREATE TABLE accounts (
    account_id INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE users (
    user_id    INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts,
    name       TEXT NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

CREATE TABLE user_policies (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    policy  TEXT NOT NULL,
    PRIMARY KEY (user_id, policy)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_keys (
    access_key_id TEXT PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES users,
    sealed_secret BLOB NOT NULL,
    active        INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX access_keys_by_user ON access_keys (user_id);

INSERT INTO accounts (account_id, name) VALUES (1, 'default');

PRAGMA user_version = 1;
