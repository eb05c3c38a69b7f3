-- One side of a copy.

-- name: try_copy
-- Two copies into one database would append the same rows.
SELECT pg_try_advisory_lock(hashtext('otpconv ledger copy, ' || current_schemas(false)::text));

-- name: end_copy
SELECT pg_advisory_unlock(hashtext('otpconv ledger copy, ' || current_schemas(false)::text));

-- name: head
SELECT last FROM writers WHERE bucket = 0 AND writer = 1;

-- name: lock_head
SELECT last FROM writers WHERE bucket = 0 AND writer = 1 FOR UPDATE;

-- name: set_head
UPDATE writers SET last = :last WHERE bucket = 0 AND writer = 1;

-- name: rows
SELECT seq, recorded_at, unmatched_before, minutes_from, reports::text, nonces::text, erased FROM journal
WHERE bucket = 0 AND writer = 1 AND seq > :after AND seq <= greatest(
    :after + :entries, (SELECT min(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > :after)
)
ORDER BY seq;

-- name: confirm
-- A commit that waits for the disk and the standbys, and so for all rows that were read before; a standby can't make one.
SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_logical_emit_message(true, 'otpconv', '') END;

-- name: add
COPY journal (
    bucket, writer, seq, recorded_at, unmatched_before, minutes_from, reports, buckets, nonces, token, erased
) FROM STDIN;

-- name: rewrite
UPDATE journal SET reports = CAST(CAST(:reports AS text) AS jsonb), buckets = CAST(:buckets AS smallint[]), erased = true
WHERE bucket = 0 AND writer = 1 AND seq = :seq;

-- name: count_from
-- The next row that gets a number gets one after those that are there.
SELECT setval(pg_get_serial_sequence(:table, :column), :last);
