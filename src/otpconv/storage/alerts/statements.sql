-- Everything that is asked of the tables of alerts, or changed in them, in SQL that every engine understands. Times are
-- milliseconds since the Unix epoch, UTC.

-- name: checkpoint
SELECT account, at FROM alert_checkpoints WHERE account = :account;

-- name: parts
SELECT name, memory FROM alert_parts WHERE account = :account;

-- name: begin
INSERT INTO alert_checkpoints (account, at) VALUES (:account, :at) ON CONFLICT (account) DO NOTHING;

-- name: advance
UPDATE alert_checkpoints SET at = :at WHERE account = :account AND at = :after;

-- name: lock
-- Nobody else changes alerts of the account until the end of the transaction.
UPDATE alert_checkpoints SET at = at WHERE account = :account;

-- name: remember
INSERT INTO alert_parts (account, name, memory) VALUES (:account, :name, :memory)
ON CONFLICT (account, name) DO UPDATE SET memory = excluded.memory;

-- name: number
-- Other nodes wait for the end of the transaction, so the numbers have no gap, and become visible in order.
UPDATE alert_sequence SET seq = seq + :events RETURNING seq;

-- name: lasting
SELECT alert_id, account, found, state, found_at, updated_at, resolved_at, changed_at, changed_by, snoozed_until, note
FROM alerts WHERE account = :account AND state <> 'resolved' ORDER BY alert_id;

-- name: alert
SELECT alert_id, account, found, state, found_at, updated_at, resolved_at, changed_at, changed_by, snoozed_until, note
FROM alerts WHERE account = :account AND alert_id = :alert;

-- name: alerts
SELECT alert_id, account, found, state, found_at, updated_at, resolved_at, changed_at, changed_by, snoozed_until, note
FROM alerts WHERE alert_id IN (
    SELECT alert_id FROM alerts
    WHERE account = :account AND state IN (:open, :acknowledged, :snoozed, :resolved) AND alert_id < :before
    ORDER BY alert_id DESC LIMIT :limit
) ORDER BY alert_id DESC;

-- name: update
UPDATE alerts SET found = :found, state = :state, updated_at = :updated_at, resolved_at = :resolved_at,
    changed_at = :changed_at, changed_by = :changed_by, snoozed_until = :snoozed_until, note = :note
WHERE alert_id = :id;

-- name: add
INSERT INTO alerts (alert_id, account, kind, slice, found, state, found_at, updated_at, resolved_at, changed_at, changed_by,
    snoozed_until, note)
VALUES (:id, :account, :kind, :slice, :found, :state, :found_at, :updated_at, :resolved_at, :changed_at, :changed_by,
    :snoozed_until, :note);

-- name: add_event
INSERT INTO alert_events (seq, account, alert_id, happening, at, author, note)
VALUES (:seq, :account, :alert, :happening, :at, :by, :note);

-- name: events
SELECT seq, account, alert_id, happening, at, author, note FROM alert_events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: history
SELECT seq, account, alert_id, happening, at, author, note FROM alert_events
WHERE alert_id = :alert AND account = :account ORDER BY seq;

-- name: forget
DELETE FROM alerts WHERE alert_id IN (
    SELECT alert_id FROM alerts WHERE state = 'resolved' AND resolved_at < :before ORDER BY resolved_at LIMIT :limit
) RETURNING alert_id;

-- name: trim
-- The oldest resolved alerts of an account that has more than it may keep.
DELETE FROM alerts WHERE alert_id IN (
    SELECT alert_id FROM alerts WHERE account = :account AND state = 'resolved'
    ORDER BY alert_id DESC LIMIT :limit OFFSET :kept
) RETURNING alert_id;

-- name: forget_events
DELETE FROM alert_events WHERE alert_id = :alert;

-- name: sequence
SELECT seq FROM alert_sequence;

-- name: stored_checkpoints
SELECT account, at FROM alert_checkpoints WHERE account > :after ORDER BY account LIMIT :limit;

-- name: stored_alerts
SELECT alert_id, account, found, state, found_at, updated_at, resolved_at, changed_at, changed_by, snoozed_until, note
FROM alerts WHERE alert_id > :after ORDER BY alert_id LIMIT :limit;

-- name: clear_checkpoints
DELETE FROM alert_checkpoints;

-- name: clear_parts
DELETE FROM alert_parts;

-- name: clear_alerts
DELETE FROM alerts;

-- name: clear_events
DELETE FROM alert_events;

-- name: restart
UPDATE alert_sequence SET seq = :seq;
