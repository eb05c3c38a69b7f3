-- How the reports of deleted messages are erased from the journal. The ledger has applied the erasures.

-- name: targets_schema
CREATE TEMP TABLE IF NOT EXISTS erasures (seq bigint PRIMARY KEY, before bigint, upto bigint);
-- `seq` is the erasure's: reports after it are about a new message, and stay.
CREATE TEMP TABLE IF NOT EXISTS targets (account integer, message_id text COLLATE "C", seq bigint, PRIMARY KEY (account, message_id));
CREATE TEMP TABLE IF NOT EXISTS target_places (
    account integer, number text COLLATE "C", first bigint, last bigint, seq bigint,
    PRIMARY KEY (account, number, first, last)
);
CREATE TEMP TABLE IF NOT EXISTS target_numbers (
    account integer, number text COLLATE "C", upto bigint, seq bigint, PRIMARY KEY (account, number)
);
CREATE TEMP TABLE IF NOT EXISTS target_receipts (
    account integer, vendor_message_id text COLLATE "C", seq bigint, PRIMARY KEY (account, vendor_message_id)
);

-- name: forget_targets
DELETE FROM erasures;
DELETE FROM targets;
DELETE FROM target_places;
DELETE FROM target_numbers;
DELETE FROM target_receipts;

-- name: find_erasures
INSERT INTO erasures
SELECT seq, (reports -> 0 ->> 1)::bigint, (reports -> 0 ->> 2)::bigint FROM journal
WHERE bucket = 0 AND writer = 1 AND minutes_from = 0 AND reports IS NOT NULL AND NOT erased
    AND seq <= (SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1)
ORDER BY seq LIMIT :most;

-- name: find_targets
INSERT INTO targets
SELECT (t ->> 0)::integer, t ->> 1, max(e.seq)
FROM erasures AS e JOIN journal AS b ON b.bucket = 0 AND b.writer = 1 AND b.seq = e.seq
    CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 3) AS t
GROUP BY 1, 2;
INSERT INTO target_places
SELECT (t ->> 0)::integer, t ->> 1, (t ->> 2)::bigint, (t ->> 3)::bigint, max(e.seq)
FROM erasures AS e JOIN journal AS b ON b.bucket = 0 AND b.writer = 1 AND b.seq = e.seq
    CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 4) AS t
GROUP BY 1, 2, 3, 4;
INSERT INTO target_numbers
SELECT (t ->> 0)::integer, t ->> 1, max(e.upto), max(e.seq)
FROM erasures AS e JOIN journal AS b ON b.bucket = 0 AND b.writer = 1 AND b.seq = e.seq
    CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 5) AS t
GROUP BY 1, 2;
INSERT INTO target_receipts
SELECT (t ->> 0)::integer, t ->> 1, max(e.seq)
FROM erasures AS e JOIN journal AS b ON b.bucket = 0 AND b.writer = 1 AND b.seq = e.seq
    CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 8) AS t
GROUP BY 1, 2;

-- name: horizon
-- Before which time, and up to which position, something may have to be erased; and whether anything is named.
SELECT coalesce(max(before), 0), coalesce(max(seq), 0),
    EXISTS (SELECT 1 FROM targets) OR EXISTS (SELECT 1 FROM target_places) OR EXISTS (SELECT 1 FROM target_numbers)
    OR EXISTS (SELECT 1 FROM target_receipts)
FROM erasures;

-- name: erasure_positions
SELECT seq FROM erasures WHERE seq > :after ORDER BY seq LIMIT :most;

-- name: affected
-- The reports of some rows that must be erased, by the row and their place in it. 1: all of the report; 2: only its number;
-- 3: of an erasure, the names of deleted messages.
SELECT * FROM (
    SELECT b.seq, (r.n - 1)::integer AS place, CASE k.kind
        WHEN 1 THEN CASE WHEN EXISTS (
            SELECT 1 FROM targets AS t
            WHERE t.account = (v ->> 1)::integer AND t.message_id = v ->> 2 AND b.seq < t.seq
        ) OR EXISTS (
            SELECT 1 FROM target_numbers AS n
            WHERE n.account = (v ->> 1)::integer AND n.number = v ->> 5 AND b.seq <= n.upto
        ) THEN 1 ELSE 0 END
        WHEN 2 THEN CASE
            WHEN v ->> 4 = '' THEN CASE WHEN EXISTS (
                SELECT 1 FROM target_places AS p
                WHERE p.account = (v ->> 1)::integer AND p.number = v ->> 5 AND b.seq < p.seq
                    AND (v ->> 3)::bigint BETWEEN p.first AND p.last
            ) OR (v ->> 3)::bigint < :before AND NOT EXISTS (
                SELECT 1 FROM number_conversions AS c
                WHERE c.bucket = number_bucket(decode(v ->> 5, 'hex')) AND c.account = (v ->> 1)::integer
                    AND c.number = decode(v ->> 5, 'hex') AND c.delivered = (v ->> 2)::boolean
                    AND c.conversion_time = (v ->> 3)::bigint
            ) THEN 1 ELSE 0 END
            WHEN EXISTS (
                SELECT 1 FROM targets AS t
                WHERE t.account = (v ->> 1)::integer AND t.message_id = v ->> 4 AND b.seq < t.seq
            ) THEN 1
            -- Its message was dropped while it was unmatched, with all of its conversions, later ones too.
            WHEN :before > 0 AND NOT EXISTS (
                SELECT 1 FROM messages AS m
                WHERE m.bucket = r.bucket AND m.account = (v ->> 1)::integer
                    AND m.message_id = v ->> 4
            ) THEN 1
            WHEN EXISTS (
                SELECT 1 FROM target_numbers AS n
                WHERE n.account = (v ->> 1)::integer AND n.number = v ->> 5 AND b.seq < n.seq
            ) THEN 2
            ELSE 0
        END
        WHEN 6 THEN CASE
            WHEN EXISTS (
                SELECT 1 FROM target_receipts AS t
                WHERE t.account = (v ->> 1)::integer AND t.vendor_message_id = v ->> 2 AND b.seq < t.seq
            ) THEN 1
            -- They were dropped while their message was unknown, with all receipts about it, later ones too.
            WHEN :before > 0 AND NOT EXISTS (
                SELECT 1 FROM receipts AS e WHERE e.account = (v ->> 1)::integer AND e.vendor_message_id = v ->> 2
            ) THEN 1
            ELSE 0
        END
        -- The last step erases them from erasures that are not finished.
        WHEN 5 THEN CASE WHEN b.erased AND EXISTS (
            SELECT 1 FROM jsonb_array_elements(v -> 6) AS name JOIN targets AS t
                ON t.account = (name ->> 0)::integer AND t.message_id = name ->> 1 AND b.seq < t.seq
        ) THEN 3 ELSE 0 END
        ELSE 0
    END AS what
    FROM journal AS b CROSS JOIN LATERAL
        ROWS FROM (jsonb_array_elements(b.reports), unnest(b.buckets)) WITH ORDINALITY AS r (v, bucket, n)
        CROSS JOIN LATERAL (SELECT (v ->> 0)::smallint AS kind) AS k
    WHERE b.bucket = 0 AND b.writer = 1 AND b.seq > :after AND b.seq <= :upto AND b.reports IS NOT NULL
) AS found WHERE what > 0;

-- name: is_deleted_after
SELECT EXISTS (SELECT 1 FROM targets WHERE account = :account AND message_id = :message_id AND :seq < seq);

-- name: rewrite
UPDATE journal SET reports = CAST(CAST(:reports AS text) AS jsonb), buckets = CAST(:buckets AS smallint[]), erased = true
WHERE bucket = 0 AND writer = 1 AND seq = :seq AND reports::text = :before;

-- name: any_erasure
SELECT EXISTS (
    SELECT 1 FROM journal WHERE minutes_from = 0 AND reports IS NOT NULL AND NOT erased
);
