-- How the reports of deleted messages are erased from the journal. The ledger is attached; it has applied the erasures.

-- name: attach_ledger
ATTACH ? AS ledger;

-- name: targets_schema
CREATE TEMP TABLE erasures (seq INTEGER PRIMARY KEY, before INTEGER, upto INTEGER);
-- `seq` is the erasure's: reports after it are about a new message, and stay.
CREATE TEMP TABLE targets (
    account INTEGER, message_id TEXT, seq INTEGER, PRIMARY KEY (account, message_id)
) WITHOUT ROWID;
CREATE TEMP TABLE target_places (
    account INTEGER, number TEXT, first INTEGER, last INTEGER, seq INTEGER,
    PRIMARY KEY (account, number, first, last)
) WITHOUT ROWID;
CREATE TEMP TABLE target_numbers (
    account INTEGER, number TEXT, upto INTEGER, seq INTEGER, PRIMARY KEY (account, number)
) WITHOUT ROWID;
CREATE TEMP TABLE target_receipts (
    account INTEGER, vendor_message_id TEXT, seq INTEGER, PRIMARY KEY (account, vendor_message_id)
) WITHOUT ROWID;

-- name: forget_targets
DELETE FROM erasures;
DELETE FROM targets;
DELETE FROM target_places;
DELETE FROM target_numbers;
DELETE FROM target_receipts;

-- name: find_erasures
INSERT INTO erasures
SELECT seq, reports ->> '$[0][1]', reports ->> '$[0][2]' FROM batches INDEXED BY batches_erasures
WHERE minutes_from = 0 AND reports IS NOT NULL AND original IS NULL AND seq <= (SELECT cursor FROM ledger.progress)
ORDER BY seq LIMIT :most;

-- name: find_targets
INSERT INTO targets
SELECT t.value ->> 0, t.value ->> 1, e.seq
FROM erasures AS e CROSS JOIN batches AS b ON b.seq = e.seq CROSS JOIN json_each(b.reports, '$[0][3]') AS t WHERE true
ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq);
INSERT INTO target_places
SELECT t.value ->> 0, t.value ->> 1, t.value ->> 2, t.value ->> 3, e.seq
FROM erasures AS e CROSS JOIN batches AS b ON b.seq = e.seq CROSS JOIN json_each(b.reports, '$[0][4]') AS t WHERE true
ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq);
INSERT INTO target_numbers
SELECT t.value ->> 0, t.value ->> 1, e.upto, e.seq
FROM erasures AS e CROSS JOIN batches AS b ON b.seq = e.seq CROSS JOIN json_each(b.reports, '$[0][5]') AS t WHERE true
ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto), seq = max(seq, excluded.seq);
INSERT INTO target_receipts
SELECT t.value ->> 0, t.value ->> 1, e.seq
FROM erasures AS e CROSS JOIN batches AS b ON b.seq = e.seq CROSS JOIN json_each(b.reports, '$[0][8]') AS t WHERE true
ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq);

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
-- 3: of an erasure, the names of deleted messages. The limit lets SQLite compute `erase` once per report, and not twice.
SELECT * FROM (
    SELECT b.seq, r.key, CASE r.value ->> 0
        WHEN 1 THEN
            iif(
                EXISTS (
                    SELECT 1 FROM targets AS t
                    WHERE t.account = r.value ->> 1 AND t.message_id = r.value ->> 2 AND b.seq < t.seq
                )
                OR EXISTS (
                    SELECT 1 FROM target_numbers AS n
                    WHERE n.account = r.value ->> 1 AND n.number = r.value ->> 5 AND b.seq <= n.upto
                ),
                1, 0
            )
        WHEN 2 THEN CASE
            WHEN r.value ->> 4 = '' THEN
                EXISTS (
                    SELECT 1 FROM target_places AS p
                    WHERE p.account = r.value ->> 1 AND p.number = r.value ->> 5 AND b.seq < p.seq
                        AND r.value ->> 3 BETWEEN p.first AND p.last
                )
                OR r.value ->> 3 < :before AND NOT EXISTS (
                    SELECT 1 FROM ledger.number_conversions AS c
                    WHERE c.account = r.value ->> 1 AND c.number = unhex(r.value ->> 5) AND c.delivered = (r.value ->> 2)
                        AND c.conversion_time = r.value ->> 3
                )
            WHEN EXISTS (
                SELECT 1 FROM targets AS t
                WHERE t.account = r.value ->> 1 AND t.message_id = r.value ->> 4 AND b.seq < t.seq
            ) THEN 1
            -- Its message was dropped while it was unmatched, with all of its conversions, later ones too.
            WHEN :before > 0 AND NOT EXISTS (
                SELECT 1 FROM ledger.messages AS m WHERE m.account = r.value ->> 1 AND m.message_id = r.value ->> 4
            ) THEN 1
            WHEN EXISTS (
                SELECT 1 FROM target_numbers AS n
                WHERE n.account = r.value ->> 1 AND n.number = r.value ->> 5 AND b.seq < n.seq
            ) THEN 2
            ELSE 0
        END
        WHEN 5 THEN
            iif(
                -- The last step erases them from erasures that are not finished.
                b.original IS NOT NULL AND EXISTS (
                    SELECT 1 FROM json_each(r.value, '$[6]') AS name CROSS JOIN targets AS t
                        ON t.account = name.value ->> 0 AND t.message_id = name.value ->> 1 AND b.seq < t.seq
                ),
                3, 0
            )
        WHEN 6 THEN
            EXISTS (
                SELECT 1 FROM target_receipts AS t
                WHERE t.account = r.value ->> 1 AND t.vendor_message_id = r.value ->> 2 AND b.seq < t.seq
            )
            -- They were dropped while their message was unknown, with all receipts about it, later ones too.
            OR :before > 0 AND NOT EXISTS (
                SELECT 1 FROM ledger.receipts AS e
                WHERE e.account = r.value ->> 1 AND e.vendor_message_id = r.value ->> 2
            )
        ELSE 0
    END AS erase
    FROM batches AS b CROSS JOIN jsonb_each(b.reports) AS r
    WHERE b.seq > :after AND b.seq <= :upto AND b.reports IS NOT NULL
        AND b.seq NOT IN (SELECT seq FROM set_aside WHERE kind = 'row')
    LIMIT -1
) WHERE erase > 0;

-- name: is_deleted_after
SELECT EXISTS (SELECT 1 FROM targets WHERE account = :account AND message_id = :message_id AND :seq < seq);

-- name: rewrite
UPDATE batches SET reports = CAST(:reports AS TEXT), original = coalesce(original, checksum), checksum = :checksum
WHERE seq = :seq;

-- name: any_erasure
SELECT EXISTS (
    SELECT 1 FROM batches INDEXED BY batches_erasures
    WHERE minutes_from = 0 AND reports IS NOT NULL AND original IS NULL
);
