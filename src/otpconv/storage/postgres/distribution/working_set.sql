-- How the applier brings the messages that a batch concerns to the coordinator, and what has changed back to the workers.
-- `messages` has the rows of the batch, `loaded` the same rows as they were.
--
-- What a session, a number or a vendor's id brings does not grow with the messages that it has. A merge asks for the
-- first few of them in some order. These are found without those that the batch itself brings, which may move, and each
-- shard gives as many, since none knows those of the others. So a statement asks each shard for one more than the batch
-- itself can move. A LIMIT stands in a subquery of its own, below a DISTINCT by the bucket: Citus then sends both to the shards.
-- The keys are arrays, since Citus would copy a table of them to all workers first.

-- name: working_set_schema
-- Workers keep what they have committed: the commit of the coordinator must last as well.
SET synchronous_commit = on;
-- The workers choose their plans by the sizes of their tables, and the coordinator reads none of them.
SET plan_cache_mode = auto;
-- A worker prepares one commit for each connection.
SET citus.max_adaptive_executor_pool_size = 1;
CREATE TEMP TABLE IF NOT EXISTS loaded (LIKE messages) ON COMMIT DELETE ROWS;
-- The messages and conversions that a batch or an erasure names, as in `batch`.
CREATE TEMP TABLE IF NOT EXISTS reported (LIKE batch) ON COMMIT DELETE ROWS;
-- What the messages are before the batch whose request it reports, or which an erasure names: they alone can move or go.
CREATE TEMP TABLE IF NOT EXISTS movable (LIKE messages) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS wanted_receipts (bucket smallint, account integer, vendor_message_id text COLLATE "C") ON COMMIT DELETE ROWS;
-- Places among the messages of a number: the last messages before each, and the first ones from it on, are wanted.
CREATE TEMP TABLE IF NOT EXISTS wanted_places (number bytea, at bigint, message_id text COLLATE "C") ON COMMIT DELETE ROWS;

-- name: shards_of_buckets
SELECT b, get_shard_id_for_distribution_column('stored_messages', b::smallint) FROM generate_series(0, :buckets - 1) AS b;

-- name: name_batch
-- Whether conversions by number concern the batch, and whether there are receipts, also in it.
WITH u AS MATERIALIZED (
    SELECT * FROM unpack(:after, :upto)
), reports AS (
    INSERT INTO reported
    SELECT r.* FROM u CROSS JOIN LATERAL unnest(u.requests || u.conversions || u.number_conversions) AS r
    WHERE r.kind IN (1, 2)
), ids AS (
    INSERT INTO wanted_receipts
    SELECT r.bucket, r.account, r.vendor_message_id FROM u CROSS JOIN LATERAL unnest(u.receipts) AS r
)
SELECT u.number_conversions IS NOT NULL OR EXISTS (SELECT FROM number_conversions),
    u.receipts IS NOT NULL OR EXISTS (SELECT FROM receipts)
FROM u;

-- name: name_erased
-- The messages of an erasure, those that leave their sessions, and the conversions that it forgets.
INSERT INTO reported (kind, bucket, account, message_id)
SELECT DISTINCT 1, e.bucket, (e.v ->> 0)::integer, e.v ->> 1
FROM journal AS b CROSS JOIN LATERAL ROWS FROM (
    jsonb_array_elements((b.reports -> 0 -> 3) || (b.reports -> 0 -> 6)), unnest(b.buckets)
) AS e (v, bucket)
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq AND e.v IS NOT NULL;
INSERT INTO reported (kind, account, number, at)
SELECT DISTINCT 2, c.account, c.number, c.conversion_time
FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 4) AS v
    CROSS JOIN LATERAL (SELECT decode(v ->> 1, 'hex') AS number) AS p
    CROSS JOIN LATERAL (
        SELECT * FROM number_conversions AS c
        WHERE c.bucket = number_bucket(p.number) AND c.account = (v ->> 0)::integer AND c.number = p.number
            AND c.conversion_time BETWEEN (v ->> 2)::bigint AND (v ->> 3)::bigint
        OFFSET 0
    ) AS c
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq;

-- name: named_messages
SELECT bucket, array_agg(account), array_agg(message_id)
FROM (SELECT DISTINCT bucket, account, message_id FROM reported WHERE message_id IS NOT NULL) AS n GROUP BY bucket;

-- name: load_messages
-- Those of some buckets of one shard.
INSERT INTO messages ({message: $message})
SELECT {message: s.$message}
FROM unnest(CAST(:buckets AS smallint[]), CAST(:accounts AS integer[]), CAST(:message_ids AS text[]))
        AS w (bucket, account, message_id)
    CROSS JOIN LATERAL (
        SELECT DISTINCT {message: m.$message} FROM (
            SELECT * FROM stored_messages AS m
            WHERE m.bucket = w.bucket AND m.account = w.account AND m.message_id = w.message_id
                AND m.bucket = ANY (CAST(:of_shard AS smallint[]))
            LIMIT 1
        ) AS m
    ) AS s
ON CONFLICT DO NOTHING;

-- name: find_movable
INSERT INTO movable
SELECT * FROM messages WHERE (bucket, account, message_id) IN (SELECT bucket, account, message_id FROM reported WHERE kind = 1);

-- name: want_receipts
-- The receipts of the messages of a batch, before and after it.
INSERT INTO wanted_receipts
SELECT r.bucket, r.account, r.vendor_message_id
FROM (
    SELECT account, message_id AS named FROM reported WHERE kind = 1
    UNION
    SELECT account, vendor_message_id FROM reported WHERE vendor_message_id IS NOT NULL
    UNION
    SELECT account, vendor_message_id FROM messages WHERE vendor_message_id IS NOT NULL
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

-- name: messages_of_receipts
-- The messages that have the wanted ids themselves.
SELECT bucket, array_agg(account), array_agg(vendor_message_id)
FROM (SELECT DISTINCT bucket, account, vendor_message_id FROM wanted_receipts) AS n GROUP BY bucket;

-- name: receivers
-- The wanted ids, and how many of the messages that name one can have its receipts.
SELECT array_agg(account), array_agg(vendor_message_id), array_agg({shared: $shared} + known)
FROM (
    SELECT w.account, w.vendor_message_id, count(m.id) AS known
    FROM (SELECT DISTINCT account, vendor_message_id FROM wanted_receipts) AS w LEFT JOIN movable AS m
        ON m.account = w.account AND m.vendor_message_id = w.vendor_message_id
    GROUP BY w.account, w.vendor_message_id
) AS n;

-- name: load_receivers
INSERT INTO messages ({message: $message})
SELECT {message: s.$message}
FROM unnest(CAST(:accounts AS integer[]), CAST(:ids AS text[]), CAST(:most AS bigint[])) AS w (account, id, most)
    CROSS JOIN LATERAL (
        SELECT DISTINCT {message: m.$message} FROM (
            SELECT * FROM stored_messages AS m WHERE m.account = w.account AND m.vendor_message_id = w.id
            ORDER BY m.requested_at, m.message_id LIMIT w.most
        ) AS m
    ) AS s
ON CONFLICT DO NOTHING;

-- name: want_places
-- The places of the messages that conversions can leave or come to, the instants of conversions, and the beginnings of the
-- hours in which a number has conversions that the messages can explain. A batch's own conversions are instants, too.
WITH places AS MATERIALIZED (
    SELECT account, number, at, message_id FROM reported WHERE kind = 1 AND number IS NOT NULL
    UNION
    SELECT account, number, requested_at, message_id FROM movable WHERE requested_at IS NOT NULL AND number IS NOT NULL
), instants AS MATERIALIZED (
    SELECT DISTINCT number, at FROM reported WHERE kind = 2 AND message_id IS NULL
), followed AS MATERIALIZED (
    SELECT * FROM places AS p WHERE (
        SELECT 1 FROM number_conversions AS c
        WHERE c.bucket = number_bucket(p.number) AND c.account = p.account AND c.number = p.number
            AND c.conversion_time BETWEEN p.at AND p.at + 90000000
        LIMIT 1
    ) IS NOT NULL
), hours AS (
    SELECT DISTINCT p.account, p.number, (p.at / 3600000 + hour) * 3600000 AS start
    FROM followed AS p CROSS JOIN generate_series(0, 24) AS hour
)
INSERT INTO wanted_places
SELECT number, at, message_id FROM followed
UNION
SELECT number, at + 1, '' FROM instants
UNION
SELECT number, at / 3600000 * 3600000, '' FROM instants
UNION
SELECT number, start, '' FROM hours AS h WHERE (
    SELECT 1 FROM number_conversions AS c
    WHERE c.bucket = number_bucket(h.number) AND c.account = h.account AND c.number = h.number
        AND c.conversion_time BETWEEN h.start AND h.start + 3599999
    LIMIT 1
) IS NOT NULL;

-- name: want_unmatched_hours
INSERT INTO wanted_places
SELECT DISTINCT number, start, '' FROM unmatched_hours WHERE start < :unmatched_before;

-- name: places
-- Each wanted place, and how many messages before and after it.
SELECT array_agg(number), array_agg(at), array_agg(message_id), array_agg(1 + known)
FROM (
    SELECT w.number, w.at, w.message_id, coalesce(m.known, 0) AS known
    FROM (SELECT DISTINCT * FROM wanted_places) AS w
        LEFT JOIN (SELECT number, count(*) AS known FROM movable GROUP BY number) AS m ON m.number = w.number
) AS n;

-- name: load_near
-- A conversion belongs to a message of the 24 hours before it.
INSERT INTO messages ({message: $message})
SELECT {message: s.$message}
FROM unnest(CAST(:numbers AS bytea[]), CAST(:times AS bigint[]), CAST(:message_ids AS text[]), CAST(:most AS bigint[]))
        AS w (number, at, message_id, most)
    CROSS JOIN LATERAL (
        SELECT DISTINCT {message: m.$message} FROM (
            SELECT * FROM stored_messages AS m
            WHERE m.number = w.number AND m.requested_at >= w.at - 86400001
                AND (m.requested_at, m.message_id) < (w.at, w.message_id)
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT w.most
        ) AS m
    ) AS s
ON CONFLICT DO NOTHING;
INSERT INTO messages ({message: $message})
SELECT {message: s.$message}
FROM unnest(CAST(:numbers AS bytea[]), CAST(:times AS bigint[]), CAST(:message_ids AS text[]), CAST(:most AS bigint[]))
        AS w (number, at, message_id, most)
    CROSS JOIN LATERAL (
        SELECT DISTINCT {message: m.$message} FROM (
            SELECT * FROM stored_messages AS m
            WHERE m.number = w.number AND m.requested_at <= w.at + 86400000
                AND (m.requested_at, m.message_id) >= (w.at, w.message_id)
            ORDER BY m.requested_at, m.message_id LIMIT w.most
        ) AS m
    ) AS s
ON CONFLICT DO NOTHING;

-- name: load_unmatched
INSERT INTO messages ({message: $message})
SELECT {message: s.$message} FROM stored_messages AS s WHERE s.unmatched_at < :unmatched_before
ON CONFLICT DO NOTHING;

-- name: sessions
-- The sessions whose first message is not here.
SELECT array_agg(account), array_agg(session_id) FROM (
    SELECT account, session_id FROM (
        SELECT account, session_id FROM reported WHERE kind = 1 AND session_id <> ''
        UNION
        SELECT account, session_id FROM messages WHERE session_id <> ''
    ) AS s
    EXCEPT
    SELECT account, session_id FROM messages WHERE session IS NOT NULL
) AS n;

-- name: load_firsts
INSERT INTO messages ({message: $message})
SELECT {message: s.$message}
FROM unnest(CAST(:accounts AS integer[]), CAST(:session_ids AS text[])) AS w (account, session_id)
    CROSS JOIN LATERAL (
        SELECT DISTINCT {message: m.$message} FROM (
            SELECT * FROM stored_messages AS m
            WHERE m.account = w.account AND m.session_id = w.session_id AND m.session IS NOT NULL LIMIT 1
        ) AS m
    ) AS s
ON CONFLICT DO NOTHING;

-- name: left_sessions
-- The sessions whose first message can move or go: one of the next ones may be the first then.
SELECT array_agg(account), array_agg(session_id), array_agg(1 + known)
FROM (
    SELECT account, session_id, count(*) AS known FROM movable WHERE session_id <> ''
    GROUP BY account, session_id HAVING count(session) > 0
) AS n;

-- name: load_next
INSERT INTO messages ({message: $message})
SELECT {message: s.$message}
FROM unnest(CAST(:accounts AS integer[]), CAST(:session_ids AS text[]), CAST(:most AS bigint[])) AS w (account, session_id, most)
    CROSS JOIN LATERAL (
        SELECT DISTINCT {message: m.$message} FROM (
            SELECT * FROM stored_messages AS m
            WHERE m.account = w.account AND m.session_id = w.session_id AND m.session IS NULL AND m.session_id <> ''
            ORDER BY m.requested_at, m.message_id LIMIT w.most
        ) AS m
    ) AS s
ON CONFLICT DO NOTHING;

-- name: remember
INSERT INTO loaded SELECT * FROM messages;

-- name: differences
-- How many rows are new, have changed, are gone, have left the place of their number, and have another one.
SELECT count(*) FILTER (WHERE o.id IS NULL),
    count(*) FILTER (WHERE o.id IS NOT NULL AND m.id IS NOT NULL AND ROW(m.*) IS DISTINCT FROM ROW(o.*)),
    count(*) FILTER (WHERE m.id IS NULL),
    count(*) FILTER (
        WHERE o.number IS NOT NULL AND o.requested_at IS NOT NULL
            AND (m.number, m.requested_at) IS DISTINCT FROM (o.number, o.requested_at)
    ), count(*) FILTER (
        WHERE m.number IS NOT NULL AND m.requested_at IS NOT NULL
            AND (m.number, m.requested_at) IS DISTINCT FROM (o.number, o.requested_at)
    )
FROM messages AS m FULL JOIN loaded AS o USING (bucket, account, message_id);

-- name: store_left
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

-- name: store_gone
DELETE FROM stored_messages AS s USING (
    SELECT o.bucket, o.account, o.message_id
    FROM loaded AS o LEFT JOIN messages AS m
        ON m.bucket = o.bucket AND m.account = o.account AND m.message_id = o.message_id
    WHERE m.id IS NULL
    OFFSET 0
) AS gone
WHERE s.bucket = gone.bucket AND s.account = gone.account AND s.message_id = gone.message_id;

-- name: store_new
-- Nobody else writes messages, so Citus can copy the rows to the workers.
INSERT INTO stored_messages ({message: $message}, counted_as)
SELECT {message: m.$message},
    ARRAY[d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key]
FROM messages AS m LEFT JOIN loaded AS o ON o.bucket = m.bucket AND o.account = m.account AND o.message_id = m.message_id
    LEFT JOIN dimensions AS d ON d.id = m.dimensions
WHERE o.id IS NULL;

-- name: store_changed
INSERT INTO stored_messages AS s ({message: $message}, counted_as)
SELECT {message: m.$message},
    ARRAY[d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key]
FROM messages AS m JOIN loaded AS o ON o.bucket = m.bucket AND o.account = m.account AND o.message_id = m.message_id
    LEFT JOIN dimensions AS d ON d.id = m.dimensions
WHERE ROW(m.*) IS DISTINCT FROM ROW(o.*)
ON CONFLICT (bucket, account, message_id) DO UPDATE SET
    {state: $state = excluded.$state}, counted_as = excluded.counted_as;

-- name: store_come
INSERT INTO number_messages
SELECT number_bucket(m.number), m.account, m.number, m.requested_at, m.message_id
FROM messages AS m LEFT JOIN loaded AS o ON o.bucket = m.bucket AND o.account = m.account AND o.message_id = m.message_id
WHERE m.number IS NOT NULL AND m.requested_at IS NOT NULL
    AND (m.number, m.requested_at) IS DISTINCT FROM (o.number, o.requested_at);

-- name: forget_working_set
DELETE FROM loaded;
DELETE FROM reported;
DELETE FROM movable;
DELETE FROM wanted_places;
DELETE FROM wanted_receipts;
DELETE FROM messages;

-- name: is_swollen
-- Whether the rows of earlier batches still take more room than those of a large batch.
SELECT (pg_relation_size('messages') > 8000000)::integer;

-- name: empty_messages
-- It waits for the disk several times, hence not after each batch.
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
