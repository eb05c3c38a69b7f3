-- How the applier applies an erasure. It takes the messages out of the ledger and of the rollups, and adds the counts that
-- the erasure keeps. So the result is the same whether or not their reports were in the journal. `buckets` has those of
-- the messages, then those of the detached ones.

-- name: find_erased
DELETE FROM erased_messages;
INSERT INTO erased_messages
SELECT DISTINCT m.id
FROM journal AS b
    CROSS JOIN LATERAL ROWS FROM (jsonb_array_elements(b.reports -> 0 -> 3), unnest(b.buckets)) AS e (v, bucket)
    CROSS JOIN LATERAL (
        SELECT id FROM messages AS m
        WHERE m.bucket = e.bucket AND m.account = (e.v ->> 0)::integer AND m.message_id = e.v ->> 1 OFFSET 0
    ) AS m
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq;

-- name: find_erased_conversions
-- As if they were reported now, so that the messages and hours that they concern are touched.
INSERT INTO batch (kind, account, at, number, delivered)
SELECT 2, c.account, c.conversion_time, c.number, c.delivered
FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 4) AS v
    CROSS JOIN LATERAL (SELECT decode(v ->> 1, 'hex') AS number) AS p
    CROSS JOIN LATERAL (
        SELECT * FROM number_conversions AS c
        WHERE c.bucket = number_bucket(p.number) AND c.account = (v ->> 0)::integer AND c.number = p.number
            AND c.conversion_time BETWEEN (v ->> 2)::bigint AND (v ->> 3)::bigint
        OFFSET 0
    ) AS c
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq;

-- name: touch_erased
-- The places of the messages, if a conversion that stays can belong to them.
INSERT INTO touched_places
SELECT m.id, m.account, m.number, m.requested_at, m.message_id
FROM erased_messages AS e CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = e.id OFFSET 0) AS m
WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL AND (
    SELECT 1 FROM number_conversions AS c
    WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number
        AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
    LIMIT 1
) IS NOT NULL;

-- name: touch_left_hours
INSERT INTO touched_hours (account, number, start)
SELECT DISTINCT p.account, p.number, (p.requested_at / 3600000 + hour) * 3600000
FROM touched_places AS p CROSS JOIN generate_series(0, 24) AS hour
ON CONFLICT DO NOTHING;

-- name: erase_conversions
DELETE FROM number_conversions AS c USING (
    SELECT c.place FROM batch AS r CROSS JOIN LATERAL (
        SELECT ctid AS place FROM number_conversions AS c
        WHERE c.bucket = number_bucket(r.number) AND c.account = r.account AND c.number = r.number
            AND c.delivered = r.delivered AND c.conversion_time = r.at
        OFFSET 0
    ) AS c
) AS erased WHERE c.ctid = erased.place;

-- name: erase_messages
WITH erased AS (
    DELETE FROM messages AS m USING (
        SELECT m.place FROM erased_messages AS e
            CROSS JOIN LATERAL (SELECT ctid AS place FROM messages WHERE id = e.id OFFSET 0) AS m
    ) AS e WHERE m.ctid = e.place
    RETURNING contribution(m, -1) AS part
)
INSERT INTO contributions SELECT (part).* FROM erased;

-- name: detach
WITH detached AS MATERIALIZED (
    SELECT m.*
    FROM journal AS b CROSS JOIN LATERAL ROWS FROM (
        jsonb_array_elements(b.reports -> 0 -> 6), unnest(b.buckets[jsonb_array_length(b.reports -> 0 -> 3) + 1 :])
    ) AS e (v, bucket) CROSS JOIN LATERAL (
        SELECT ctid AS place, contribution(m, -1) AS before FROM messages AS m
        WHERE m.bucket = e.bucket AND m.account = (e.v ->> 0)::integer AND m.message_id = e.v ->> 1
            AND m.session_id <> ''
        OFFSET 0
    ) AS m
    WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq
), updated AS (
    UPDATE messages AS m SET session_id = '', session = NULL FROM detached AS d WHERE m.ctid = d.place
    RETURNING d.before, contribution(m, 1) AS after
)
INSERT INTO contributions
SELECT (part).* FROM (SELECT before AS part FROM updated UNION ALL SELECT after FROM updated) AS parts;

-- name: find_kept
DELETE FROM kept;
INSERT INTO kept
SELECT d.account, (k ->> 1)::bigint, d.id,
    {count: coalesce((k -> 3 ->> '$count')::integer, 0)},
    k -> 4
FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 7) AS k JOIN dimensions AS d
    ON d.bucket = 0 AND d.account = (k ->> 0)::integer AND d.day = (k ->> 1)::bigint / 86400000
    AND d.country = k -> 2 ->> 0 AND d.carrier = k -> 2 ->> 1 AND d.provider = k -> 2 ->> 2
    AND d.template = k -> 2 ->> 3 AND d.sender = k -> 2 ->> 4 AND d.channel = k -> 2 ->> 5
    AND d.access_key = k -> 2 ->> 6
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq;

-- name: change_by_kept
INSERT INTO changes
SELECT account, start, dimensions, {count: $count}, NULL, NULL FROM kept;
INSERT INTO changes
SELECT k.account, k.start, k.dimensions, {count: 0}, (v ->> 0)::smallint, (v ->> 1)::integer
FROM kept AS k CROSS JOIN LATERAL jsonb_array_elements(k.delays) AS v;

-- name: note_kept
INSERT INTO kept_counts AS c
SELECT 0, k.account, k.start, k.dimensions, {count: k.$count},
    {bin: coalesce(v.d$bin, 0)}
FROM kept AS k CROSS JOIN LATERAL (
    SELECT {bin: sum((e ->> 1)::integer) FILTER (WHERE (e ->> 0)::integer = $bin) AS d$bin}
    FROM jsonb_array_elements(k.delays) AS e
) AS v
ON CONFLICT (bucket, account, start, dimensions) DO UPDATE SET
    {count: $count = c.$count + excluded.$count},
    {bin: d$bin = c.d$bin + excluded.d$bin};

-- name: note_messages_from
UPDATE horizons SET messages_from = greatest(
    messages_from, (
        SELECT (reports -> 0 ->> 1)::bigint FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq
    )
)
WHERE bucket = 0;

-- name: before
SELECT (reports -> 0 ->> 1)::bigint FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq;
