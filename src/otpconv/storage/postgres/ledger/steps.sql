-- What a batch takes besides the one call in merging.sql: expiries, erasures, and conversions that name only a number. All
-- times are milliseconds since the Unix epoch, UTC.

-- name: lock_cursor
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1 FOR UPDATE;

-- name: cursor
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;

-- name: batch_end
SELECT batch_end(:cursor, :limit);

-- name: first_deletion
SELECT coalesce(min(seq), 0) FROM journal
WHERE bucket = 0 AND writer = 1 AND seq > :after AND seq <= :upto AND unmatched_before IS NOT NULL;

-- name: is_erasure
SELECT CASE WHEN reports IS NULL THEN 0 ELSE 1 END FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq;

-- name: is_believed
-- An expiry more than a day ahead of the newest report before it was written by a wrong clock, e.g. in a copied journal.
SELECT CASE WHEN e.recorded_at - 86400000 <= coalesce(
    (SELECT r.recorded_at FROM journal AS r
     WHERE r.bucket = 0 AND r.writer = 1 AND r.seq < e.seq AND r.unmatched_before IS NULL ORDER BY r.seq DESC LIMIT 1),
    e.recorded_at
) THEN 1 ELSE 0 END
FROM journal AS e WHERE e.bucket = 0 AND e.writer = 1 AND e.seq = :seq;

-- name: expiry
SELECT unmatched_before, minutes_from FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq;

-- name: advance
UPDATE cursors SET position = :cursor WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;

-- name: empty_batch
DELETE FROM batch;

-- name: merge_number_conversions
INSERT INTO number_conversions
SELECT DISTINCT number_bucket(number), account, number, delivered, at FROM batch
WHERE kind = 2 AND message_id IS NULL
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT DO NOTHING;

-- name: forget_touched
DELETE FROM touched_places;
DELETE FROM touched_messages;

-- name: touch_places
SELECT touch_places();

-- name: touch_messages
-- The messages that can gain or lose conversions by this batch: the message at each place, the newest message before
-- each place, and the message that each conversion of the batch belongs to. No other message of the number can.
INSERT INTO touched_messages (id)
SELECT id FROM touched_places
UNION
SELECT id FROM (
    SELECT coalesce(
        (
            SELECT m.id FROM messages AS m
            WHERE m.requested_at / 86400000 = p.requested_at / 86400000 AND m.number = p.number
                AND m.requested_at IS NOT NULL AND (m.requested_at, m.message_id) < (p.requested_at, p.message_id)
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
        ), (
            SELECT m.id FROM messages AS m
            WHERE m.requested_at / 86400000 = p.requested_at / 86400000 - 1 AND m.number = p.number
                AND m.requested_at >= p.requested_at - 86400000
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
        )
    ) AS id
    FROM touched_places AS p
    UNION ALL
    SELECT coalesce(
        (
            SELECT m.id FROM messages AS m
            WHERE m.requested_at / 86400000 = c.at / 86400000 AND m.number = c.number AND m.requested_at <= c.at
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
        ), (
            SELECT m.id FROM messages AS m
            WHERE m.requested_at / 86400000 = c.at / 86400000 - 1 AND m.number = c.number
                AND m.requested_at >= c.at - 86400000
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
        )
    )
    FROM batch AS c WHERE c.kind = 2 AND c.message_id IS NULL
) AS near WHERE id IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: limit_messages
-- A conversion by number belongs to the newest message at or before it, at most 24 hours before. So a message has the
-- conversions from its own time on, for 24 hours or until the next message.
UPDATE touched_messages AS t SET until = least(m.requested_at + 86400000, coalesce(
    (
        SELECT later.requested_at - 1 FROM messages AS later
        WHERE later.requested_at / 86400000 = m.requested_at / 86400000 AND later.number = m.number
            AND later.requested_at IS NOT NULL
            AND (later.requested_at, later.message_id) > (m.requested_at, m.message_id)
        ORDER BY later.requested_at, later.message_id LIMIT 1
    ), (
        SELECT later.requested_at - 1 FROM messages AS later
        WHERE later.requested_at / 86400000 = m.requested_at / 86400000 + 1 AND later.number = m.number
            AND later.requested_at <= m.requested_at + 86400000
        ORDER BY later.requested_at, later.message_id LIMIT 1
    ), m.requested_at + 86400000
))
FROM touched_messages AS o CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = o.id OFFSET 0) AS m
WHERE t.id = o.id;

-- name: resolve_numbers
WITH resolved AS MATERIALIZED (
    SELECT m.*,
        (
            SELECT min(c.conversion_time) FROM number_conversions AS c
            WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number AND c.delivered
                AND c.conversion_time > m.requested_at AND c.conversion_time <= t.until
        ) AS number_true,
        EXISTS (
            SELECT 1 FROM number_conversions AS c
            WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number
                AND c.conversion_time BETWEEN m.requested_at AND t.until
        ) AS number_reported
    FROM touched_messages AS t CROSS JOIN LATERAL (
        SELECT ctid AS place, contribution(m, -1) AS before, account, number, requested_at,
            number_true AS number_true_before, coalesce(number_reported, false) AS number_reported_before
        FROM messages AS m WHERE m.id = t.id OFFSET 0
    ) AS m
), updated AS (
    UPDATE messages AS m SET number_true = r.number_true, number_reported = r.number_reported FROM resolved AS r
    WHERE m.ctid = r.place AND (r.number_true_before, r.number_reported_before)
        IS DISTINCT FROM (r.number_true, r.number_reported)
    RETURNING r.before, contribution(m, 1) AS after
)
INSERT INTO contributions
SELECT (part).* FROM (SELECT before AS part FROM updated UNION ALL SELECT after FROM updated) AS parts;

-- name: drop_unmatched
WITH dropped AS (
    DELETE FROM messages AS m WHERE unmatched_at < :unmatched_before RETURNING contribution(m, -1) AS part
)
INSERT INTO contributions SELECT (part).* FROM dropped;

-- name: keep_minutes_from
UPDATE horizons SET minutes_from = greatest(minutes_from, :minutes_from) WHERE bucket = 0;

-- name: is_outgrown
-- Whether a table is twice as large as when it was last analyzed, or never was. Small tables don't matter.
SELECT coalesce(bool_or(pg_relation_size(oid) > 2 * greatest(relpages, 64) * current_setting('block_size')::bigint), false)::integer
FROM pg_class
WHERE oid IN ('messages'::regclass, 'rollups'::regclass, 'range_rollups'::regclass, 'dimensions'::regclass);

-- name: analyze
-- It leaves out a table that another process analyzes.
ANALYZE (SKIP_LOCKED) messages, rollups, range_rollups, dimensions;
