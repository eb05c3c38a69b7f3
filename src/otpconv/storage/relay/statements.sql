-- Everything that is asked of the tables of the relay, or changed in them, in SQL that every engine understands. Times are
-- milliseconds since the Unix epoch, UTC.

-- name: cursor
SELECT position FROM relay_cursor;

-- name: restart
UPDATE relay_cursor SET position = :position;

-- name: advance
UPDATE relay_cursor SET position = :upto WHERE position = :after;

-- name: add
INSERT INTO relay_sends (
    account, message_id, vendor, feedback, requested_at, at, due_at, until, status, attempts, code, reason, vendor_message_id
) VALUES (
    :account, :message_id, :vendor, :feedback, :requested_at, :at, :due_at, :until, :status, 0, '', '', :vendor_message_id
) ON CONFLICT (account, message_id, vendor, feedback) DO NOTHING;

-- name: name
-- A later report can name the vendor's id of a message, also after the vendor has refused the one before.
UPDATE relay_sends SET vendor_message_id = :vendor_message_id
WHERE account = :account AND message_id = :message_id AND vendor = :vendor AND status IN ('waiting', 'dead')
    AND vendor_message_id <> :vendor_message_id;

-- name: supersede
UPDATE relay_sends SET status = 'superseded'
WHERE account = :account AND message_id = :message_id AND vendor = :vendor AND feedback = 'failed' AND status = :before;

-- name: erase
DELETE FROM relay_sends WHERE account = :account AND message_id = :message_id RETURNING vendor, status;

-- name: erase_before
DELETE FROM relay_sends WHERE send_id IN (
    SELECT send_id FROM relay_sends WHERE requested_at < :time ORDER BY requested_at LIMIT :limit
) RETURNING vendor, status;

-- name: drop
DELETE FROM relay_sends WHERE send_id IN (
    SELECT send_id FROM relay_sends WHERE vendor = :vendor LIMIT :limit
) RETURNING vendor, status;

-- name: forget_counts
DELETE FROM relay_counts WHERE vendor = :vendor;

-- name: forget_contact
DELETE FROM relay_contacts WHERE vendor = :vendor;

-- name: due
SELECT send_id, coalesce(nullif(vendor_message_id, ''), message_id), feedback, at, until, attempts, message_id FROM relay_sends
WHERE vendor = :vendor AND status = 'waiting' AND due_at <= :now ORDER BY due_at, send_id LIMIT :limit;

-- name: claim
UPDATE relay_sends SET status = 'sending', sent_at = :now
WHERE status = 'waiting' AND send_id IN (
    SELECT send_id FROM relay_sends
    WHERE vendor = :vendor AND status = 'waiting' AND due_at <= :now ORDER BY due_at, send_id LIMIT :limit
) RETURNING send_id, coalesce(nullif(vendor_message_id, ''), message_id), feedback, at, until, attempts, message_id;

-- name: next_due
SELECT due_at FROM relay_sends WHERE vendor = :vendor AND status = 'waiting' ORDER BY due_at, send_id LIMIT 1;

-- name: settle
-- A report that was superseded meanwhile, but sent all the same, is evidence, too.
UPDATE relay_sends SET status = :status, code = :code, reason = :reason, due_at = :due_at, attempts = :attempts,
    sent_at = :sent_at, answered_at = :answered_at
WHERE send_id = :id AND status = :before;

-- name: abandon
UPDATE relay_sends SET status = 'unknown', code = 'UnknownOutcome', reason = :reason
WHERE vendor = :vendor AND status = 'sending';

-- name: count
INSERT INTO relay_counts (vendor, status, sends) VALUES (:vendor, :status, :sends)
ON CONFLICT (vendor, status) DO UPDATE SET sends = relay_counts.sends + excluded.sends;

-- name: counts
SELECT vendor, status, sends FROM relay_counts WHERE sends <> 0;

-- name: letters
SELECT message_id, vendor, feedback, at, status, code, reason, sent_at, answered_at FROM relay_sends
WHERE vendor = :vendor AND status IN ('dead', 'unknown') ORDER BY send_id DESC LIMIT :limit;

-- name: retry
-- A failure is not sent after the user has entered the code.
UPDATE relay_sends SET status = 'waiting', due_at = :now, attempts = 0
WHERE status = :before AND send_id IN (
    SELECT send_id FROM relay_sends AS s
    WHERE vendor = :vendor AND status = :before AND message_id = coalesce(:message_id, message_id) AND NOT EXISTS (
        SELECT 1 FROM relay_sends AS r
        WHERE s.feedback = 'failed' AND r.account = s.account AND r.message_id = s.message_id AND r.vendor = s.vendor
            AND r.feedback = 'received'
    )
    ORDER BY send_id LIMIT :limit
);

-- name: evidence
SELECT message_id, vendor, feedback, at, status, code, reason, sent_at, answered_at FROM relay_sends
WHERE account = :account AND message_id = :message_id ORDER BY send_id;

-- name: note_contact
INSERT INTO relay_contacts (vendor, state, error, changed_at) VALUES (:vendor, :state, :error, :changed_at)
ON CONFLICT (vendor) DO UPDATE SET state = excluded.state, error = excluded.error, changed_at = excluded.changed_at;

-- name: contacts
SELECT vendor, state, error, changed_at FROM relay_contacts;

-- name: stored
SELECT send_id, account, message_id, vendor, feedback, requested_at, at, due_at, until, status, attempts, code, reason,
    sent_at, answered_at, vendor_message_id
FROM relay_sends WHERE send_id > :after ORDER BY send_id LIMIT :limit;

-- name: store
INSERT INTO relay_sends (account, message_id, vendor, feedback, requested_at, at, due_at, until, status, attempts, code, reason,
    sent_at, answered_at, vendor_message_id)
VALUES (:account, :message_id, :vendor, :feedback, :requested_at, :at, :due_at, :until, :status, :attempts, :code, :reason,
    :sent_at, :answered_at, :vendor_message_id);

-- name: clear_sends
DELETE FROM relay_sends;

-- name: clear_counts
DELETE FROM relay_counts;

-- name: clear_contacts
DELETE FROM relay_contacts;
