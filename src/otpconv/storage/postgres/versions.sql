-- The versions of the tables in this database.

-- name: exists
SELECT to_regclass(:table) IS NOT NULL;

-- name: versions_schema
CREATE TABLE versions (
    version integer PRIMARY KEY,        -- of the tables that a migration has made
    made_at timestamptz NOT NULL DEFAULT now()
);

-- name: version
SELECT max(version) FROM versions;

-- name: note_version
INSERT INTO versions (version) VALUES (:version);

-- name: lock
-- One migration at a time: a number of otpconv's own.
SELECT pg_advisory_xact_lock(7286473);

-- name: lock_session
SELECT pg_advisory_lock(7286473);
