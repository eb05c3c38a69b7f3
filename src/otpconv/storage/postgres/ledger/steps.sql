-- What a batch takes besides the one call in merging.sql: expiries and erasures. All times are milliseconds since the Unix
-- epoch, UTC.

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

-- name: forget_touched
DELETE FROM touched_places;
DELETE FROM touched_messages;

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
