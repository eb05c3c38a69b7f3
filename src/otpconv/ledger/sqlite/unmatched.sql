-- Which conversions no known message explains, and how many messages and numbers they are about. The counts follow in
-- the same transaction, by triggers, so that nobody has to count again. A message explains the conversions of its
-- number from when it was requested to 24 hours later.

-- name: unmatched_schema
-- Where a message is no longer: from the first to the last of the messages of one number and day, and 24 hours on.
-- In between there is no gap, since they are less than 24 hours apart.
CREATE TEMP TABLE left_spans (
    account INTEGER, number BLOB, day INTEGER, first INTEGER, last INTEGER, PRIMARY KEY (account, number, day)
) WITHOUT ROWID;

CREATE TEMP TRIGGER message_left AFTER UPDATE OF requested_at, number ON main.messages
WHEN OLD.requested_at IS NOT NULL AND OLD.number IS NOT NULL
    AND (OLD.requested_at <> NEW.requested_at OR OLD.number IS NOT NEW.number)
BEGIN
    INSERT INTO left_spans
    VALUES (OLD.account, OLD.number, OLD.requested_at / 86400000, OLD.requested_at, OLD.requested_at)
    ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last);
END;

CREATE TEMP TRIGGER message_unmatched AFTER INSERT ON main.messages WHEN NEW.requested_at IS NULL
BEGIN
    INSERT INTO unmatched VALUES (NEW.account, 1, 0) ON CONFLICT DO UPDATE SET messages = messages + 1;
END;

CREATE TEMP TRIGGER message_matched AFTER UPDATE OF requested_at ON main.messages WHEN OLD.requested_at IS NULL
BEGIN
    UPDATE unmatched SET messages = messages - 1 WHERE account = OLD.account;
END;

CREATE TEMP TRIGGER message_dropped AFTER DELETE ON main.messages WHEN OLD.requested_at IS NULL
BEGIN
    UPDATE unmatched SET messages = messages - 1 WHERE account = OLD.account;
END;

CREATE TEMP TRIGGER number_unmatched AFTER INSERT ON main.unmatched_conversions
WHEN NOT EXISTS (
    SELECT 1 FROM unmatched_conversions
    WHERE account = NEW.account AND number = NEW.number AND conversion_time <> NEW.conversion_time
)
BEGIN
    INSERT INTO unmatched VALUES (NEW.account, 0, 1) ON CONFLICT DO UPDATE SET numbers = numbers + 1;
END;

CREATE TEMP TRIGGER number_matched AFTER DELETE ON main.unmatched_conversions
WHEN NOT EXISTS (SELECT 1 FROM unmatched_conversions WHERE account = OLD.account AND number = OLD.number)
BEGIN
    UPDATE unmatched SET numbers = numbers - 1 WHERE account = OLD.account;
END;

-- name: match_conversions
-- What the messages of this batch explain.
DELETE FROM unmatched_conversions WHERE (account, number, conversion_time) IN (
    SELECT c.account, c.number, c.conversion_time
    FROM (
        SELECT m.account, m.number, min(m.requested_at) AS first, max(m.requested_at) AS last
        FROM batch AS r CROSS JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
        WHERE r.kind = 1 AND m.number IS NOT NULL AND EXISTS (
            SELECT 1 FROM unmatched_conversions AS c WHERE c.account = r.account AND c.number = r.number
        )
        GROUP BY m.account, m.number, m.requested_at / 86400000
    ) AS span CROSS JOIN unmatched_conversions AS c
        ON c.account = span.account AND c.number = span.number
        AND c.conversion_time BETWEEN span.first AND span.last + 86400000
);

-- name: note_unmatched
-- Of the conversions of this batch, and of those that messages have left, what nothing explains.
INSERT INTO unmatched_conversions
SELECT account, number, conversion_time
FROM (
    SELECT account, number, at AS conversion_time FROM batch WHERE kind = 2 AND message_id IS NULL
    UNION
    SELECT c.account, c.number, c.conversion_time
    FROM left_spans AS span CROSS JOIN number_conversions AS c
        ON c.account = span.account AND c.number = span.number AND c.delivered IN (0, 1)
        AND c.conversion_time BETWEEN span.first AND span.last + 86400000
) AS late
WHERE NOT EXISTS (
    SELECT 1 FROM messages AS m INDEXED BY messages_by_number
    WHERE m.requested_at / 86400000 IN (late.conversion_time / 86400000, late.conversion_time / 86400000 - 1)
        AND m.number = late.number
        AND m.requested_at BETWEEN late.conversion_time - 86400000 AND late.conversion_time
)
ON CONFLICT DO NOTHING;

-- name: forget_left
DELETE FROM left_spans;

-- name: drop_unmatched_numbers
DELETE FROM number_conversions WHERE (account, number, conversion_time, delivered) IN (
    SELECT account, number, conversion_time, value
    FROM unmatched_conversions CROSS JOIN json_each('[0, 1]') WHERE conversion_time < :unmatched_before
);

-- name: drop_unmatched_conversions
DELETE FROM unmatched_conversions WHERE conversion_time < :unmatched_before;
