-- How the applier adds journal entries to the ledger. All times are milliseconds since the Unix epoch, UTC.

-- name: attach
ATTACH ? AS journal;

-- name: cursor
SELECT cursor FROM progress;

-- name: batch_end
SELECT coalesce(
    (SELECT max(seq) FROM journal.batches WHERE seq > :cursor AND seq <= :cursor + :limit),
    (SELECT min(seq) FROM journal.batches WHERE seq > :cursor),
    :cursor
);

-- name: first_expiry
SELECT min(seq) FROM journal.batches WHERE seq > :after AND seq <= :upto AND unmatched_before IS NOT NULL;

-- name: batch_schema
CREATE TEMP TABLE batch (
    kind INTEGER, account INTEGER, at INTEGER, message_id TEXT, number BLOB, delivered INTEGER, rate REAL,
    country TEXT, carrier TEXT, provider TEXT, template TEXT, sender TEXT, channel TEXT,
    access_key TEXT, number_range TEXT, session_id TEXT, attempt INTEGER, timing INTEGER, vendor_message_id TEXT,
    receipt BLOB
);
CREATE TEMP TABLE touched_places (id INTEGER, account INTEGER, number BLOB, requested_at INTEGER, message_id TEXT);
CREATE TEMP TABLE touched_messages (
    id INTEGER PRIMARY KEY,
    until INTEGER       -- the last instant at which a conversion of its number belongs to it
) WITHOUT ROWID;

-- name: empty_batch
DELETE FROM batch;

-- name: unpack
-- A report is [1, account, message id, requested_at, [dimensions], number, number range, session id, attempt, vendor's id],
-- [2, account, delivered, conversion time, message id, number, timing], [3, account, report time, rate], or a receipt.
-- Entries of older versions have six dimensions, without the access key, no timing and no vendor's id. The rest of the
-- reports of deleted messages is [4, account, '', day, [dimensions]] or [0].
-- Each extraction takes 0.1 µs, so the kind is extracted once, and of each kind only what it has.
WITH reports AS MATERIALIZED (
    SELECT value, value ->> 0 AS kind FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports)
    WHERE b.seq > :after AND b.seq <= :upto
)
INSERT INTO batch
SELECT
    kind,
    value ->> 1,
    value ->> iif(kind = 3, 2, 3),
    iif(kind = 2, nullif(value ->> 4, ''), value ->> 2),
    iif(kind = 1 OR kind = 2 AND value ->> 4 = '', unhex(nullif(value ->> 5, '')), NULL),
    iif(kind = 2, value ->> 2, NULL),
    iif(kind = 3, value ->> 3, NULL),
    iif(kind IN (1, 4), value ->> '$[4][0]', NULL), iif(kind IN (1, 4), value ->> '$[4][1]', NULL),
    iif(kind IN (1, 4), value ->> '$[4][2]', NULL), iif(kind IN (1, 4), value ->> '$[4][3]', NULL),
    iif(kind IN (1, 4), value ->> '$[4][4]', NULL), iif(kind IN (1, 4), value ->> '$[4][5]', NULL),
    iif(kind IN (1, 4), coalesce(value ->> '$[4][6]', ''), NULL),
    iif(kind = 1, value ->> 6, NULL), iif(kind = 1, value ->> 7, NULL), iif(kind = 1, value ->> 8, NULL),
    iif(kind = 2, coalesce(value ->> 6, 0), NULL),
    iif(kind = 1, nullif(value ->> 9, ''), NULL),
    iif(kind = 6, value, NULL)
FROM reports;

-- name: merge_requested
INSERT INTO messages
    (id, account, message_id, requested_at, dimensions, reported_values, number, number_range, session_id, attempt,
     session)
SELECT :after + r.rowid, r.account, r.message_id, r.at, c.dimensions, c.reported_values, r.number, r.number_range,
    r.session_id, r.attempt, iif(r.session_id = '', NULL, 0)
FROM batch AS r CROSS JOIN combinations AS c
    ON c.account = r.account AND c.day = r.at / 86400000 AND c.country = r.country AND c.carrier = r.carrier
    AND c.provider = r.provider AND c.template = r.template AND c.sender = r.sender AND c.channel = r.channel
    AND c.access_key = r.access_key
WHERE r.kind = 1
ON CONFLICT (account, message_id) DO UPDATE SET
    requested_at = excluded.requested_at, dimensions = excluded.dimensions, reported_values = excluded.reported_values,
    number = excluded.number, number_range = excluded.number_range, session_id = excluded.session_id,
    attempt = excluded.attempt,
    session = iif(excluded.session_id = messages.session_id, messages.session, excluded.session)
WHERE messages.requested_at IS NULL
    OR excluded.requested_at < messages.requested_at
    OR excluded.requested_at = messages.requested_at AND CASE
        WHEN excluded.dimensions = messages.dimensions AND excluded.reported_values IS messages.reported_values THEN
            (excluded.session_id, excluded.attempt, coalesce(excluded.number, x''))
            < (messages.session_id, messages.attempt, coalesce(messages.number, x''))
        ELSE
            (SELECT
                coalesce(excluded.reported_values ->> 0, country), coalesce(excluded.reported_values ->> 1, carrier),
                coalesce(excluded.reported_values ->> 2, provider), coalesce(excluded.reported_values ->> 3, template),
                coalesce(excluded.reported_values ->> 4, sender), coalesce(excluded.reported_values ->> 5, channel),
                coalesce(excluded.reported_values ->> 6, access_key)
             FROM dimensions WHERE id = excluded.dimensions)
            < (SELECT
                coalesce(messages.reported_values ->> 0, country), coalesce(messages.reported_values ->> 1, carrier),
                coalesce(messages.reported_values ->> 2, provider), coalesce(messages.reported_values ->> 3, template),
                coalesce(messages.reported_values ->> 4, sender), coalesce(messages.reported_values ->> 5, channel),
                coalesce(messages.reported_values ->> 6, access_key)
             FROM dimensions WHERE id = messages.dimensions)
    END;

-- name: merge_conversions
-- The timing is 0 if the time was given, 1 if it is the arrival of a report without a time, 2 if it is unknown.
INSERT INTO messages
    (id, account, message_id, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown)
SELECT :after + rowid, account, message_id,
    iif(delivered AND timing = 0, at, NULL), iif(delivered AND timing = 0, at, NULL),
    iif(NOT delivered AND timing < 2, at, NULL), iif(delivered AND timing = 1, at, NULL),
    iif(delivered AND timing = 2, at, NULL), iif(NOT delivered AND timing = 2, at, NULL)
FROM batch
WHERE kind = 2 AND message_id IS NOT NULL
ON CONFLICT (account, message_id) DO UPDATE SET
    true_first = coalesce(min(true_first, excluded.true_first), true_first, excluded.true_first),
    true_last = coalesce(max(true_last, excluded.true_last), true_last, excluded.true_last),
    false_last = coalesce(max(false_last, excluded.false_last), false_last, excluded.false_last),
    true_arrival = coalesce(min(true_arrival, excluded.true_arrival), true_arrival, excluded.true_arrival),
    true_unknown = coalesce(min(true_unknown, excluded.true_unknown), true_unknown, excluded.true_unknown),
    false_unknown = coalesce(min(false_unknown, excluded.false_unknown), false_unknown, excluded.false_unknown);

-- name: order_messages
-- A conversion may precede the request of its message in the batch.
UPDATE messages SET id = early.first
FROM (
    SELECT m.id, :after + min(r.rowid) AS first
    FROM batch AS r CROSS JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
    WHERE r.kind = 2 AND r.message_id IS NOT NULL AND m.id > :after + r.rowid
    GROUP BY m.id
) AS early
WHERE messages.id = early.id;

-- name: merge_number_conversions
INSERT OR IGNORE INTO number_conversions
SELECT account, number, delivered, at FROM batch
WHERE kind = 2 AND message_id IS NULL;

-- name: merge_self_reported
INSERT OR IGNORE INTO self_reported_rates
SELECT account, at, rate FROM batch WHERE kind = 3;

-- name: any_number_conversion
SELECT EXISTS (SELECT 1 FROM number_conversions)
    OR EXISTS (SELECT 1 FROM batch WHERE kind = 2 AND message_id IS NULL);

-- name: forget_touched
DELETE FROM touched_places;
DELETE FROM touched_messages;

-- name: touch_places
-- The places of the batch's messages among the messages of their number, if a conversion can belong to them. Runs
-- before and after the batch is merged, since a message can move.
INSERT INTO touched_places
SELECT m.id, m.account, m.number, m.requested_at, m.message_id
FROM batch AS r CROSS JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
WHERE r.kind = 1 AND m.requested_at IS NOT NULL AND m.number IS NOT NULL AND EXISTS (
    SELECT 1 FROM number_conversions AS c
    WHERE c.account = m.account AND c.number = m.number AND c.delivered IN (0, 1)
        AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
);

-- name: touch_messages
-- The messages that can gain or lose conversions by this batch: the message at each place, the newest message before
-- each place, and the message that each conversion of the batch belongs to. No other message of the number can.
-- `+` lets SQLite seek the exact place, even among messages of the same instant. NULL ids are ignored.
INSERT OR IGNORE INTO touched_messages (id)
SELECT id FROM touched_places
UNION ALL
SELECT coalesce(
    (
        SELECT m.id FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at / 86400000 = p.requested_at / 86400000 AND m.number = p.number
            AND (m.requested_at, m.message_id) < (p.requested_at, +p.message_id)
        ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
    ), (
        SELECT m.id FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at / 86400000 = p.requested_at / 86400000 - 1 AND m.number = p.number
            AND m.requested_at >= p.requested_at - 86400000
        ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
    )
)
FROM touched_places AS p
UNION ALL
SELECT coalesce(
    (
        SELECT m.id FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at / 86400000 = c.at / 86400000 AND m.number = c.number AND m.requested_at <= c.at
        ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
    ), (
        SELECT m.id FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at / 86400000 = c.at / 86400000 - 1 AND m.number = c.number
            AND m.requested_at >= c.at - 86400000
        ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
    )
)
FROM batch AS c WHERE c.kind = 2 AND c.message_id IS NULL;

-- name: limit_messages
-- A conversion by number belongs to the newest message at or before it, at most 24 hours before. So a message has the
-- conversions from its own time on, for 24 hours or until the next message.
UPDATE touched_messages SET until = (
    SELECT min(m.requested_at + 86400000, coalesce(
        (
            SELECT later.requested_at - 1 FROM messages AS later INDEXED BY messages_by_number
            WHERE later.requested_at / 86400000 = m.requested_at / 86400000 AND later.number = m.number
                AND (later.requested_at, later.message_id) > (m.requested_at, +m.message_id)
            ORDER BY later.requested_at, later.message_id LIMIT 1
        ), (
            SELECT later.requested_at - 1 FROM messages AS later INDEXED BY messages_by_number
            WHERE later.requested_at / 86400000 = m.requested_at / 86400000 + 1 AND later.number = m.number
                AND later.requested_at <= m.requested_at + 86400000
            ORDER BY later.requested_at, later.message_id LIMIT 1
        ), m.requested_at + 86400000
    ))
    FROM messages AS m WHERE m.id = touched_messages.id
);

-- name: resolve_numbers
UPDATE messages AS m SET
    number_true = (
        SELECT c.conversion_time FROM touched_messages AS t CROSS JOIN number_conversions AS c
            ON c.account = m.account AND c.number = m.number AND c.delivered = 1
            AND c.conversion_time > m.requested_at AND c.conversion_time <= t.until
        WHERE t.id = m.id
        ORDER BY c.conversion_time LIMIT 1
    ),
    number_reported = EXISTS (
        SELECT 1 FROM touched_messages AS t CROSS JOIN number_conversions AS c
            ON c.account = m.account AND c.number = m.number AND c.delivered IN (0, 1)
            AND c.conversion_time BETWEEN m.requested_at AND t.until
        WHERE t.id = m.id
    )
WHERE m.id IN (SELECT id FROM touched_messages);

-- name: drop_unmatched
-- The recursion reads one account after another from the index, so that only rows to be dropped are read.
WITH RECURSIVE accounts (account) AS (
    SELECT min(account) FROM messages INDEXED BY messages_unmatched WHERE requested_at IS NULL
    UNION ALL
    SELECT (
        SELECT min(m.account) FROM messages AS m INDEXED BY messages_unmatched
        WHERE m.requested_at IS NULL AND m.account > a.account
    )
    FROM accounts AS a WHERE a.account IS NOT NULL
)
DELETE FROM messages INDEXED BY messages_unmatched
WHERE requested_at IS NULL AND account IN (SELECT account FROM accounts) AND max(
    coalesce(true_last, 0), coalesce(false_last, 0), coalesce(true_arrival, 0), coalesce(true_unknown, 0),
    coalesce(false_unknown, 0)
) < :unmatched_before;

-- name: drop_minutes
DELETE FROM rollups WHERE grain = 60000 AND account IN (SELECT DISTINCT account FROM routes)
    AND start < :minutes_from;

-- name: keep_minutes_from
UPDATE progress SET minutes_from = max(minutes_from, :minutes_from);

-- name: expiry
SELECT unmatched_before, minutes_from FROM journal.batches WHERE seq = :seq;

-- name: advance
UPDATE progress SET cursor = ?;
