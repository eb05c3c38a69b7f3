-- Annotations. Times are milliseconds since the Unix epoch, UTC.

-- name: annotations_schema
CREATE TABLE annotations (
    annotation_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id    integer NOT NULL,
    at            bigint NOT NULL,
    text          text NOT NULL,
    created_by    text NOT NULL,
    created_at    bigint NOT NULL
);
CREATE INDEX annotations_by_time ON annotations (account_id, at);

-- name: create
-- Nothing once the account has the most that it may have.
INSERT INTO annotations (account_id, at, text, created_by, created_at)
SELECT :account, :at, :text, :created_by, :now
WHERE (SELECT count(*) FROM annotations WHERE account_id = :account) < :most
RETURNING annotation_id;

-- name: between
SELECT annotation_id, at, text, created_by, created_at FROM annotations
WHERE account_id = :account AND at >= :start AND at < :end
ORDER BY at, annotation_id;

-- name: delete
DELETE FROM annotations WHERE account_id = :account AND annotation_id = :id
RETURNING annotation_id, at, text, created_by, created_at;
