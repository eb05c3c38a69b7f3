-- How journal entries come into the ledger. All times are milliseconds since the Unix epoch, UTC.

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
    access_key TEXT, number_range TEXT, session_id TEXT, attempt INTEGER, timing INTEGER
);
CREATE TEMP TABLE touched_numbers (account INTEGER, number BLOB, PRIMARY KEY (account, number));
CREATE TEMP TABLE touched_messages (id INTEGER PRIMARY KEY);

-- name: empty_batch
DELETE FROM batch;

-- name: unpack
-- A report is [1, account, message id, requested_at, [dimensions], number, number range, session id, attempt],
-- [2, account, delivered, conversion time, message id, number, timing], or [3, account, report time, rate].
-- Older entries have six dimensions, without the access key, and no timing.
INSERT INTO batch
SELECT
    value ->> 0,
    value ->> 1,
    value ->> iif(value ->> 0 = 3, 2, 3),
    iif(value ->> 0 = 2, nullif(value ->> 4, ''), value ->> 2),
    iif(value ->> 0 = 2 AND value ->> 4 <> '', NULL, unhex(nullif(value ->> 5, ''))),
    value ->> 2,
    value ->> 3,
    value ->> '$[4][0]', value ->> '$[4][1]', value ->> '$[4][2]',
    value ->> '$[4][3]', value ->> '$[4][4]', value ->> '$[4][5]', coalesce(value ->> '$[4][6]', ''),
    value ->> 6, value ->> 7, value ->> 8, iif(value ->> 0 = 2, coalesce(value ->> 6, 0), NULL)
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports)
WHERE b.seq > :after AND b.seq <= :upto;

-- name: intern_dimensions
INSERT OR IGNORE INTO dimensions (account, country, carrier, provider, template, sender, channel, access_key)
SELECT DISTINCT account, country, carrier, provider, template, sender, channel, access_key
FROM batch WHERE kind = 1;

-- name: merge_requested
INSERT INTO messages
    (account, message_id, requested_at, dimensions, number, number_range, session_id, attempt, session)
SELECT r.account, r.message_id, r.at, d.id, r.number, r.number_range, r.session_id, r.attempt,
    iif(r.session_id = '', NULL, 0)
FROM batch AS r CROSS JOIN dimensions AS d
    ON d.account = r.account AND d.country = r.country AND d.carrier = r.carrier AND d.provider = r.provider
    AND d.template = r.template AND d.sender = r.sender AND d.channel = r.channel AND d.access_key = r.access_key
WHERE r.kind = 1
ON CONFLICT (account, message_id) DO UPDATE SET
    requested_at = excluded.requested_at, dimensions = excluded.dimensions, number = excluded.number,
    number_range = excluded.number_range, session_id = excluded.session_id, attempt = excluded.attempt,
    session = excluded.session
WHERE messages.requested_at IS NULL
    OR excluded.requested_at < messages.requested_at
    OR excluded.requested_at = messages.requested_at AND CASE
        WHEN excluded.dimensions = messages.dimensions THEN
            (excluded.session_id, excluded.attempt, coalesce(excluded.number, x''))
            < (messages.session_id, messages.attempt, coalesce(messages.number, x''))
        ELSE
            (SELECT country, carrier, provider, template, sender, channel, access_key
             FROM dimensions WHERE id = excluded.dimensions)
            < (SELECT country, carrier, provider, template, sender, channel, access_key
               FROM dimensions WHERE id = messages.dimensions)
    END;

-- name: merge_conversions
-- The timing is 0 for a given time, 1 for the arrival of a report without one, 2 for an unknown time.
INSERT INTO messages
    (account, message_id, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown)
SELECT account, message_id,
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

-- name: merge_number_conversions
INSERT OR IGNORE INTO number_conversions
SELECT account, number, at, delivered FROM batch
WHERE kind = 2 AND message_id IS NULL;

-- name: merge_self_reported
INSERT OR IGNORE INTO self_reported_rates
SELECT account, at, rate FROM batch WHERE kind = 3;

-- name: any_number_conversion
SELECT EXISTS (SELECT 1 FROM number_conversions)
    OR EXISTS (SELECT 1 FROM batch WHERE kind = 2 AND message_id IS NULL);

-- name: forget_touched
DELETE FROM touched_numbers;
DELETE FROM touched_messages;

-- name: touch_numbers
-- The numbers of this batch, and the numbers its messages had before it.
INSERT OR IGNORE INTO touched_numbers
SELECT account, number FROM batch WHERE kind IN (1, 2) AND number IS NOT NULL
UNION ALL
SELECT m.account, m.number
FROM batch AS r JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
WHERE r.kind = 1 AND m.number IS NOT NULL;

-- name: touch_messages
-- The messages of this batch, and those that a conversion of a touched number may be about.
INSERT OR IGNORE INTO touched_messages
SELECT m.id
FROM batch AS r JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
WHERE r.kind = 1
UNION ALL
SELECT m.id
FROM touched_numbers AS t
    CROSS JOIN number_conversions AS c ON c.account = t.account AND c.number = t.number
    CROSS JOIN messages AS m
    ON m.requested_at / 86400000 IN (c.conversion_time / 86400000, c.conversion_time / 86400000 - 1)
    AND m.number = c.number AND m.requested_at IS NOT NULL;

-- name: resolve_numbers
-- A conversion by number is about the newest message at or before it, at most 24 hours before.
UPDATE messages AS m SET (number_true, number_heard) = (
    SELECT min(c.conversion_time) FILTER (WHERE c.delivered = 1 AND c.conversion_time > m.requested_at), count(*) > 0
    FROM number_conversions AS c
    WHERE c.account = m.account AND c.number = m.number
        AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
        AND NOT EXISTS (
            SELECT 1 FROM messages AS later
            WHERE later.requested_at / 86400000 IN (m.requested_at / 86400000, m.requested_at / 86400000 + 1)
                AND later.number = m.number AND later.requested_at <= c.conversion_time
                AND (later.requested_at, later.message_id) > (m.requested_at, m.message_id)
        )
)
WHERE m.id IN (SELECT id FROM touched_messages);

-- name: drop_unmatched
DELETE FROM messages
WHERE requested_at IS NULL AND :unmatched_before > max(
    coalesce(true_last, 0), coalesce(false_last, 0), coalesce(true_arrival, 0), coalesce(true_unknown, 0),
    coalesce(false_unknown, 0)
);

-- name: drop_unmatched_numbers
DELETE FROM number_conversions AS c
WHERE conversion_time < :unmatched_before AND NOT EXISTS (
    SELECT 1 FROM messages AS m
    WHERE m.requested_at / 86400000 IN (c.conversion_time / 86400000, c.conversion_time / 86400000 - 1)
        AND m.number = c.number
        AND m.requested_at BETWEEN c.conversion_time - 86400000 AND c.conversion_time
);

-- name: drop_minutes
DELETE FROM rollups WHERE grain = 60000 AND start < :minutes_from;

-- name: keep_minutes_from
UPDATE progress SET minutes_from = max(minutes_from, :minutes_from);

-- name: expiry
SELECT unmatched_before, minutes_from FROM journal.batches WHERE seq = :seq;

-- name: advance
UPDATE progress SET cursor = ?;
