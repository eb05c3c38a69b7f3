-- From version 2 of access.sqlite to version 3: sign-ins without an access key, through an identity provider.

ALTER TABLE users ADD COLUMN sign_ins_after INTEGER NOT NULL DEFAULT 0;

CREATE TABLE user_sign_outs (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    sign_in BLOB NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (user_id, sign_in)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;
