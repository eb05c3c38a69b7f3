-- How the applier brings the messages that a batch concerns to the coordinator, and what has changed back to the workers.
-- `messages` has the rows of the batch, `loaded` the same rows as they were.

-- name: working_set_schema
-- Workers keep what they have committed: the commit of the coordinator must last as well.
SET synchronous_commit = on;
-- The workers choose their plans by the sizes of their tables, and the coordinator reads none of them.
SET plan_cache_mode = auto;
CREATE TEMP TABLE IF NOT EXISTS loaded (LIKE messages) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS wanted_messages (bucket smallint, account integer, message_id text COLLATE "C") ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS wanted_sessions (account integer, session_id text COLLATE "C") ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS wanted_numbers (number bytea, day bigint) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS wanted_receipts (bucket smallint, account integer, vendor_message_id text COLLATE "C") ON COMMIT DELETE ROWS;

-- name: want_batch
INSERT INTO wanted_messages
SELECT DISTINCT r.bucket, r.account, r.message_id
FROM unpack(:after, :upto) AS u CROSS JOIN LATERAL unnest(u.requests || u.conversions) AS r
WHERE r.kind IN (1, 2);
INSERT INTO wanted_sessions
SELECT DISTINCT r.account, r.session_id
FROM unpack(:after, :upto) AS u CROSS JOIN LATERAL unnest(u.requests) AS r WHERE r.session_id <> '';

-- name: any_number
-- Whether conversions by number concern a batch.
SELECT (
    EXISTS (SELECT FROM number_conversions)
    OR EXISTS (SELECT FROM unpack(:after, :upto) AS u WHERE u.number_conversions IS NOT NULL)
)::integer;

-- name: want_numbers
-- A step reads the messages of a number up to two days before and after the instants that the batch names.
INSERT INTO wanted_numbers
SELECT DISTINCT n.number, n.at / 86400000 + near
FROM (
    SELECT r.number, r.at
    FROM unpack(:after, :upto) AS u CROSS JOIN LATERAL unnest(u.requests || u.number_conversions) AS r
    WHERE r.kind IN (1, 2) AND r.number IS NOT NULL
    UNION
    SELECT number, requested_at FROM messages WHERE requested_at IS NOT NULL AND number IS NOT NULL
) AS n CROSS JOIN generate_series(-2, 2) AS near;

-- name: any_receipt
-- Whether there are receipts, also in a batch.
SELECT (
    EXISTS (SELECT FROM receipts) OR EXISTS (SELECT FROM unpack(:after, :upto) AS u WHERE u.receipts IS NOT NULL)
)::integer;

-- name: want_receipts
-- The receipts of a batch, and those of its messages before and after it.
INSERT INTO wanted_receipts
SELECT r.bucket, r.account, r.vendor_message_id
FROM unpack(:after, :upto) AS u CROSS JOIN LATERAL unnest(u.receipts) AS r;
INSERT INTO wanted_receipts
SELECT r.bucket, r.account, r.vendor_message_id
FROM (
    SELECT m.account, m.message_id AS named FROM unpack(:after, :upto) AS u CROSS JOIN LATERAL unnest(u.requests) AS m
    UNION
    SELECT m.account, m.vendor_message_id FROM unpack(:after, :upto) AS u CROSS JOIN LATERAL unnest(u.requests) AS m
    UNION
    SELECT account, vendor_message_id FROM messages
) AS n CROSS JOIN LATERAL (
    SELECT * FROM receipts AS r WHERE r.account = n.account AND r.vendor_message_id = n.named OFFSET 0
) AS r;

-- name: want_erased_receipts
-- The receipts of the messages of an erasure, and those that it names.
INSERT INTO wanted_receipts
SELECT r.bucket, r.account, r.vendor_message_id
FROM (
    SELECT account, coalesce(vendor_message_id, message_id) AS named FROM messages
    UNION
    SELECT (v ->> 0)::integer, v ->> 1
    FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 8) AS v
    WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq
) AS n CROSS JOIN LATERAL (
    SELECT * FROM receipts AS r WHERE r.account = n.account AND r.vendor_message_id = n.named OFFSET 0
) AS r;

-- name: want_receivers
-- The messages that have or name the wanted ids.
INSERT INTO wanted_messages SELECT DISTINCT bucket, account, vendor_message_id FROM wanted_receipts;
INSERT INTO wanted_messages
SELECT bucket, account, message_id FROM (
    SELECT s.bucket, s.account, s.message_id,
        row_number() OVER (PARTITION BY s.account, s.vendor_message_id ORDER BY s.requested_at, s.message_id) AS nth
    FROM stored_messages AS s JOIN (SELECT DISTINCT account, vendor_message_id FROM wanted_receipts) AS w
        ON s.account = w.account AND s.vendor_message_id = w.vendor_message_id
) AS named
WHERE nth <= 10 + (SELECT count(*) FROM messages);

-- name: want_unmatched_numbers
INSERT INTO wanted_numbers
SELECT DISTINCT number, start / 86400000 + near
FROM unmatched_hours CROSS JOIN generate_series(-2, 2) AS near WHERE start < :unmatched_before;

-- name: want_erased
INSERT INTO wanted_messages
SELECT DISTINCT e.bucket, (e.v ->> 0)::integer, e.v ->> 1
FROM journal AS b CROSS JOIN LATERAL ROWS FROM (
    jsonb_array_elements((b.reports -> 0 -> 3) || (b.reports -> 0 -> 6)), unnest(b.buckets)
) AS e (v, bucket)
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq AND e.v IS NOT NULL;
INSERT INTO wanted_numbers
SELECT DISTINCT c.number, c.conversion_time / 86400000 + near
FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 4) AS v
    CROSS JOIN LATERAL (SELECT decode(v ->> 1, 'hex') AS number) AS p
    CROSS JOIN LATERAL (
        SELECT * FROM number_conversions AS c
        WHERE c.bucket = number_bucket(p.number) AND c.account = (v ->> 0)::integer AND c.number = p.number
            AND c.conversion_time BETWEEN (v ->> 2)::bigint AND (v ->> 3)::bigint
        OFFSET 0
    ) AS c
    CROSS JOIN generate_series(-2, 2) AS near
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq;

-- name: want_near_numbers
INSERT INTO wanted_numbers
SELECT DISTINCT number, requested_at / 86400000 + near
FROM messages CROSS JOIN generate_series(-2, 2) AS near WHERE requested_at IS NOT NULL AND number IS NOT NULL;

-- name: load_messages
INSERT INTO messages ({message: $message})
SELECT {message: s.$message} FROM stored_messages AS s JOIN wanted_messages AS w
    ON s.bucket = w.bucket AND s.account = w.account AND s.message_id = w.message_id
ON CONFLICT DO NOTHING;

-- name: load_unmatched
INSERT INTO messages ({message: $message})
SELECT {message: s.$message} FROM stored_messages AS s WHERE s.unmatched_at < :unmatched_before
ON CONFLICT DO NOTHING;

-- name: load_numbers
INSERT INTO messages ({message: $message})
SELECT {message: s.$message} FROM stored_messages AS s JOIN wanted_numbers AS w
    ON s.requested_at / 86400000 = w.day AND s.number = w.number
WHERE s.requested_at IS NOT NULL AND s.number IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: load_sessions
INSERT INTO wanted_sessions SELECT DISTINCT account, session_id FROM messages WHERE session_id <> '';
INSERT INTO messages ({message: $message})
SELECT {message: s.$message} FROM stored_messages AS s JOIN (SELECT DISTINCT account, session_id FROM wanted_sessions) AS w
    ON s.account = w.account AND s.session_id = w.session_id
WHERE s.session_id <> ''
ON CONFLICT DO NOTHING;

-- name: remember
INSERT INTO loaded SELECT * FROM messages;

-- name: store
DELETE FROM number_messages AS n USING (
    SELECT number_bucket(o.number) AS bucket, o.account, o.number, o.requested_at, o.message_id
    FROM loaded AS o LEFT JOIN messages AS m
        ON m.bucket = o.bucket AND m.account = o.account AND m.message_id = o.message_id
    WHERE o.number IS NOT NULL AND o.requested_at IS NOT NULL
        AND (m.number, m.requested_at) IS DISTINCT FROM (o.number, o.requested_at)
    OFFSET 0
) AS moved
WHERE n.bucket = moved.bucket AND n.account = moved.account AND n.number = moved.number
    AND n.requested_at = moved.requested_at AND n.message_id = moved.message_id;
DELETE FROM stored_messages AS s USING (
    SELECT o.bucket, o.account, o.message_id
    FROM loaded AS o LEFT JOIN messages AS m
        ON m.bucket = o.bucket AND m.account = o.account AND m.message_id = o.message_id
    WHERE m.id IS NULL
    OFFSET 0
) AS gone
WHERE s.bucket = gone.bucket AND s.account = gone.account AND s.message_id = gone.message_id;
INSERT INTO stored_messages AS s ({message: $message}, counted_as)
SELECT {message: c.$message},
    ARRAY[d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key]
FROM (SELECT * FROM messages EXCEPT SELECT * FROM loaded) AS c LEFT JOIN dimensions AS d ON d.id = c.dimensions
ON CONFLICT (bucket, account, message_id) DO UPDATE SET
    {state: $state = excluded.$state}, counted_as = excluded.counted_as;
INSERT INTO number_messages
SELECT number_bucket(number), account, number, requested_at, message_id
FROM (SELECT * FROM messages EXCEPT SELECT * FROM loaded) AS c
WHERE number IS NOT NULL AND requested_at IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: forget_working_set
DELETE FROM loaded;
DELETE FROM wanted_messages;
DELETE FROM wanted_sessions;
DELETE FROM wanted_numbers;
DELETE FROM wanted_receipts;
TRUNCATE messages;

-- name: show_stored
-- The commit of the coordinator can be seen a moment before those of the workers: what waits for the ledger reads this cursor.
UPDATE cursors SET position = :cursor
WHERE bucket = 0 AND follower = 'stored' AND writer = 1 AND position < :cursor;

-- name: stored_cursor
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'stored' AND writer = 1;

-- name: unsettled
-- The commits that workers have prepared and that no coordinator has finished, and the workers that do not answer.
SELECT coalesce(sum(CASE WHEN success THEN result::bigint ELSE 1 END), 0)::bigint FROM run_command_on_workers($$
    SELECT count(*) FROM pg_prepared_xacts
    WHERE starts_with(gid, 'citus') AND owner = current_user AND database = current_database()
$$);
