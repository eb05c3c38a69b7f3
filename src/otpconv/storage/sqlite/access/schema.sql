-- Version 3 of access.sqlite. Times are milliseconds since the Unix epoch, UTC.

CREATE TABLE accounts (
    account_id INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE users (
    user_id    INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- Sign-ins without an access key that began at this time or before are over.
    sign_ins_after INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_id, name)
) STRICT;

CREATE TABLE roles (
    role_id        INTEGER PRIMARY KEY,
    account_id     INTEGER NOT NULL REFERENCES accounts,
    name           TEXT NOT NULL COLLATE NOCASE,
    max_duration_s INTEGER NOT NULL DEFAULT 3600,
    created_at     INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

-- Those of the account's own; the managed ones are part of the program.
CREATE TABLE policies (
    account_id INTEGER NOT NULL REFERENCES accounts,
    name       TEXT NOT NULL COLLATE NOCASE,
    document   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

-- A policy is named as it is written where it was made, be it managed or the account's.
CREATE TABLE user_policies (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    policy  TEXT NOT NULL,
    PRIMARY KEY (user_id, policy)
) STRICT, WITHOUT ROWID;

CREATE TABLE role_policies (
    role_id INTEGER NOT NULL REFERENCES roles ON DELETE CASCADE,
    policy  TEXT NOT NULL,
    PRIMARY KEY (role_id, policy)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_keys (
    access_key_id TEXT PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    sealed_secret BLOB NOT NULL,
    active        INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER,
    -- Sign-ins to the pages that began at this time or before are over.
    sign_ins_after INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX access_keys_by_user ON access_keys (user_id);

-- Sign-ins that were ended one by one, by a hash of their name, until they would be over by themselves.
CREATE TABLE sign_outs (
    access_key_id TEXT NOT NULL REFERENCES access_keys ON DELETE CASCADE,
    sign_in       BLOB NOT NULL,
    until         INTEGER NOT NULL,
    PRIMARY KEY (access_key_id, sign_in)
) STRICT, WITHOUT ROWID;

-- The same for sign-ins without an access key.
CREATE TABLE user_sign_outs (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    sign_in BLOB NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (user_id, sign_in)
) STRICT, WITHOUT ROWID;

INSERT INTO accounts (account_id, name) VALUES (1, 'default');

PRAGMA user_version = 3;
