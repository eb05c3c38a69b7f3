-- How the applier merges receipts, and which messages have them. A receipt names a message by its vendor's id, and so may a
-- message: `coalesce(vendor_message_id, message_id)`. A message that names no id of a vendor has the receipts under its own
-- id. Of those that name one, the first `receipts.MAX_SHARED` have its receipts: those requested first.

-- name: receipts_schema
CREATE TEMP TABLE touched_receipts (
    account INTEGER, vendor_message_id TEXT, PRIMARY KEY (account, vendor_message_id)
) WITHOUT ROWID;
CREATE TEMP TABLE receipt_messages (
    id INTEGER PRIMARY KEY,
    has INTEGER     -- 1 if it has the receipts under its vendor's id
);

-- name: any_receipt
SELECT EXISTS (SELECT 1 FROM receipts) OR EXISTS (SELECT 1 FROM batch WHERE kind = 6 OR vendor_message_id IS NOT NULL);

-- name: forget_receipts
DELETE FROM touched_receipts;
DELETE FROM receipt_messages;

-- name: touch_receipts
-- The ids under which the batch's messages have receipts. Runs before and after the batch is merged, since a later report
-- can name another id.
INSERT OR IGNORE INTO touched_receipts
SELECT m.account, coalesce(m.vendor_message_id, m.message_id)
FROM batch AS r CROSS JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
WHERE r.kind = 1 AND EXISTS (
    SELECT 1 FROM receipts AS e
    WHERE e.account = m.account AND e.vendor_message_id = coalesce(m.vendor_message_id, m.message_id)
);

-- name: merge_vendor_ids
UPDATE messages AS m SET vendor_message_id = r.named
FROM (
    SELECT account, message_id, min(vendor_message_id) AS named
    FROM batch WHERE kind = 1 AND vendor_message_id IS NOT NULL GROUP BY account, message_id
) AS r
WHERE m.account = r.account AND m.message_id = r.message_id
    AND (m.vendor_message_id IS NULL OR r.named < m.vendor_message_id);

-- name: merge_receipts
-- A receipt is [6, account, vendor's id, status, time, error, price, currency, segments].
INSERT INTO receipts
    (account, vendor_message_id, {status: $status_at}, error, price, currency, segments, known)
SELECT account, message_id,
    iif(receipt ->> 3 = 0, receipt ->> 4, NULL), iif(receipt ->> 3 = 1, receipt ->> 4, NULL),
    iif(receipt ->> 3 = 2, receipt ->> 4, NULL), iif(receipt ->> 3 = 3, receipt ->> 4, NULL),
    iif(receipt ->> 3 = 4, receipt ->> 4, NULL), iif(receipt ->> 3 = 5, receipt ->> 4, NULL),
    iif(receipt ->> 3 = 6, receipt ->> 4, NULL),
    receipt ->> 5, receipt ->> 6, nullif(receipt ->> 7, ''), receipt ->> 8, 0
FROM batch WHERE kind = 6
ON CONFLICT DO UPDATE SET
    {status: $status_at = coalesce(min($status_at, excluded.$status_at), $status_at, excluded.$status_at)},
    error = CASE
        WHEN coalesce(excluded.expired_at, excluded.rejected_at, excluded.failed_at) IS NULL THEN error
        WHEN first_failure IS NULL THEN excluded.error
        WHEN (coalesce(excluded.expired_at, excluded.rejected_at, excluded.failed_at), excluded.error)
            < (first_failure, error) THEN excluded.error
        ELSE error
    END,
    price = iif(price IS NULL OR (excluded.price, excluded.currency) > (price, currency), excluded.price, price),
    currency = iif(price IS NULL OR (excluded.price, excluded.currency) > (price, currency), excluded.currency, currency),
    segments = max(segments, excluded.segments);
INSERT OR IGNORE INTO touched_receipts SELECT account, message_id FROM batch WHERE kind = 6;

-- name: find_receipts
-- The messages that can gain or lose receipts, or whose receipts have changed.
INSERT INTO receipt_messages
SELECT m.id, 1 FROM touched_receipts AS t CROSS JOIN messages AS m
    ON m.account = t.account AND m.message_id = t.vendor_message_id
WHERE m.vendor_message_id IS NULL AND m.requested_at IS NOT NULL
UNION ALL
SELECT m.id, 1 FROM touched_receipts AS t CROSS JOIN messages AS m ON m.id IN (
    SELECT n.id FROM messages AS n INDEXED BY messages_by_vendor_id
    WHERE n.account = t.account AND n.vendor_message_id = t.vendor_message_id
    ORDER BY n.requested_at, n.message_id LIMIT {shared: $shared}
);
INSERT OR IGNORE INTO receipt_messages
SELECT m.id, 0 FROM touched_receipts AS t CROSS JOIN messages AS m INDEXED BY messages_with_receipt
    ON m.account = t.account AND m.vendor_message_id = t.vendor_message_id AND m.receipt IS NOT NULL
UNION ALL
SELECT m.id, 0 FROM batch AS r CROSS JOIN messages AS m ON m.account = r.account AND m.message_id = r.message_id
WHERE r.kind = 1 AND m.vendor_message_id IS NOT NULL AND m.receipt IS NOT NULL;

-- name: resolve_receipts
UPDATE messages AS m SET (receipt, price, currency) = (
    SELECT e.status, e.price, e.currency FROM receipt_messages AS f LEFT JOIN receipts AS e
        ON f.has AND e.account = m.account AND e.vendor_message_id = coalesce(m.vendor_message_id, m.message_id)
    WHERE f.id = m.id
)
WHERE m.id IN (
    SELECT f.id FROM receipt_messages AS f CROSS JOIN messages AS h ON h.id = f.id LEFT JOIN receipts AS e
        ON f.has AND e.account = h.account AND e.vendor_message_id = coalesce(h.vendor_message_id, h.message_id)
    WHERE (h.receipt, h.price, h.currency) IS NOT (e.status, e.price, e.currency)
);

-- name: note_known
UPDATE receipts AS e SET known = NOT known
WHERE (account, vendor_message_id) IN (SELECT account, vendor_message_id FROM touched_receipts)
    AND known <> (
        EXISTS (
            SELECT 1 FROM messages AS m
            WHERE m.account = e.account AND m.message_id = e.vendor_message_id AND m.vendor_message_id IS NULL
                AND m.requested_at IS NOT NULL
        )
        OR EXISTS (
            SELECT 1 FROM messages AS m INDEXED BY messages_by_vendor_id
            WHERE m.account = e.account AND m.vendor_message_id = e.vendor_message_id
        )
    );

-- name: drop_receipts
DELETE FROM receipts INDEXED BY receipts_unknown WHERE NOT known AND newest < :unmatched_before;

-- name: touch_erased_receipts
INSERT OR IGNORE INTO touched_receipts
SELECT m.account, coalesce(m.vendor_message_id, m.message_id)
FROM erased_messages AS e CROSS JOIN messages AS m ON m.id = e.id;

-- name: erase_receipts
-- Those of the erasure, which are of no message that stays.
INSERT OR IGNORE INTO touched_receipts
SELECT e.value ->> 0, e.value ->> 1
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][8]') AS e WHERE b.seq = :seq;
DELETE FROM receipts WHERE (account, vendor_message_id) IN (
    SELECT e.value ->> 0, e.value ->> 1
    FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][8]') AS e WHERE b.seq = :seq
);
