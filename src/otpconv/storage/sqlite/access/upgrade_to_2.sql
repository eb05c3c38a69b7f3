-- From version 1 of access.sqlite to version 2: sign-ins that were ended stay ended.

ALTER TABLE access_keys ADD COLUMN sign_ins_after INTEGER NOT NULL DEFAULT 0;

CREATE TABLE sign_outs (
    access_key_id TEXT NOT NULL REFERENCES access_keys ON DELETE CASCADE,
    sign_in       BLOB NOT NULL,
    until         INTEGER NOT NULL,
    PRIMARY KEY (access_key_id, sign_in)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
