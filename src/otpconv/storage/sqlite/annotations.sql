-- Everything that is asked of annotations.sqlite, or changed in it. Times are ms since the Unix epoch, UTC.

-- name: annotations_schema
CREATE TABLE annotations (
    annotation_id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    text          TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX annotations_by_time ON annotations (account_id, at);

-- name: count
SELECT count(*) FROM annotations WHERE account_id = :account;

-- name: create
INSERT INTO annotations (account_id, at, text, created_by, created_at)
VALUES (:account, :at, :text, :created_by, :now);

-- name: between
SELECT annotation_id, at, text, created_by, created_at FROM annotations
WHERE account_id = :account AND at >= :start AND at < :end
ORDER BY at, annotation_id;

-- name: delete
DELETE FROM annotations WHERE account_id = :account AND annotation_id = :id
RETURNING annotation_id, at, text, created_by, created_at;
