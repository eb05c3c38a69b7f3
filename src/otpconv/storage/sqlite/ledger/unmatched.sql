-- Conversions without a known message, and the number of messages and numbers that they name. Triggers update the
-- counts in the same transaction, so that no question has to count.
--
-- A message explains the conversions of its number from its request until 24 hours later. So within an hour of a number,
-- the unexplained instants are one range. It starts where the 24 hours of the last message before the hour end, or at
-- the start of the hour. It ends before the first message in the hour, or at the end of the hour. A few lookups tell
-- whether the range has any conversion, however many there are.

-- name: unmatched_schema
CREATE TEMP TABLE touched_hours (
    account INTEGER, number BLOB, start INTEGER,
    first INTEGER, last INTEGER,    -- the range of instants that no message explains
    PRIMARY KEY (account, number, start)
) WITHOUT ROWID;

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

CREATE TEMP TRIGGER number_unmatched AFTER INSERT ON main.unmatched_hours
WHEN NOT EXISTS (
    SELECT 1 FROM unmatched_hours
    WHERE account = NEW.account AND number = NEW.number AND start <> NEW.start
)
BEGIN
    INSERT INTO unmatched VALUES (NEW.account, 0, 1) ON CONFLICT DO UPDATE SET numbers = numbers + 1;
END;

CREATE TEMP TRIGGER number_matched AFTER DELETE ON main.unmatched_hours
WHEN NOT EXISTS (SELECT 1 FROM unmatched_hours WHERE account = OLD.account AND number = OLD.number)
BEGIN
    UPDATE unmatched SET numbers = numbers - 1 WHERE account = OLD.account;
END;

-- name: touch_hours
-- The hours of the batch's conversions, the unmatched hours that its messages may explain now, and the 24 hours after
-- each place that one of its messages has left.
INSERT OR IGNORE INTO touched_hours (account, number, start)
SELECT account, number, at / 3600000 * 3600000 FROM batch WHERE kind = 2 AND message_id IS NULL
UNION ALL
SELECT u.account, u.number, u.start
FROM touched_places AS p CROSS JOIN unmatched_hours AS u
    ON u.account = p.account AND u.number = p.number
    AND u.start BETWEEN p.requested_at / 3600000 * 3600000 AND p.requested_at + 86400000
UNION ALL
SELECT p.account, p.number, p.requested_at / 3600000 * 3600000 + hour.value * 3600000
FROM touched_places AS p CROSS JOIN messages AS m ON m.id = p.id CROSS JOIN json_each(
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]'
) AS hour
WHERE m.number IS NOT p.number OR m.requested_at <> p.requested_at;

-- name: find_unexplained
UPDATE touched_hours AS t SET
    first = max(start, coalesce(
        (
            SELECT m.requested_at + 86400001 FROM messages AS m INDEXED BY messages_by_number
            WHERE m.requested_at / 86400000 = t.start / 86400000 AND m.number = t.number AND m.requested_at < t.start
            ORDER BY m.requested_at DESC LIMIT 1
        ), (
            SELECT m.requested_at + 86400001 FROM messages AS m INDEXED BY messages_by_number
            WHERE m.requested_at / 86400000 = t.start / 86400000 - 1 AND m.number = t.number
                AND m.requested_at >= t.start - 86400000
            ORDER BY m.requested_at DESC LIMIT 1
        ), start
    )),
    last = coalesce(
        (
            SELECT m.requested_at - 1 FROM messages AS m INDEXED BY messages_by_number
            WHERE m.requested_at / 86400000 = t.start / 86400000 AND m.number = t.number
                AND m.requested_at >= t.start AND m.requested_at < t.start + 3600000
            ORDER BY m.requested_at LIMIT 1
        ), start + 3599999
    );

-- name: note_matched
DELETE FROM unmatched_hours WHERE (account, number, start) IN (
    SELECT account, number, start FROM touched_hours AS t WHERE NOT EXISTS (
        SELECT 1 FROM number_conversions AS c
        WHERE c.account = t.account AND c.number = t.number AND c.delivered IN (0, 1)
            AND c.conversion_time BETWEEN t.first AND t.last
    )
);

-- name: note_unmatched
INSERT INTO unmatched_hours
SELECT account, number, start FROM touched_hours AS t
WHERE EXISTS (
    SELECT 1 FROM number_conversions AS c
    WHERE c.account = t.account AND c.number = t.number AND c.delivered IN (0, 1)
        AND c.conversion_time BETWEEN t.first AND t.last
)
ON CONFLICT DO NOTHING;

-- name: forget_hours
DELETE FROM touched_hours;

-- name: touch_old_hours
INSERT INTO touched_hours (account, number, start)
SELECT account, number, start FROM unmatched_hours WHERE start < :unmatched_before;

-- name: drop_unmatched_numbers
DELETE FROM number_conversions WHERE (account, number, delivered, conversion_time) IN (
    SELECT c.account, c.number, c.delivered, c.conversion_time
    FROM touched_hours AS t CROSS JOIN number_conversions AS c
        ON c.account = t.account AND c.number = t.number AND c.delivered IN (0, 1)
        AND c.conversion_time >= t.first AND c.conversion_time <= min(t.last, :unmatched_before - 1)
);
