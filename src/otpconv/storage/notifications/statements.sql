-- Everything that is asked of the tables of notifications, or changed in them, in SQL that every engine understands.

-- name: cursor
SELECT seq, round FROM notification_cursor;

-- name: advance
UPDATE notification_cursor SET seq = :seq, round = round + 1 WHERE round = :round;

-- name: follows
SELECT target, alert, repeats, repeat_at FROM alert_follows WHERE alert = :alert ORDER BY target;

-- name: repeats
SELECT target, alert, repeats, repeat_at FROM alert_follows AS f
WHERE repeat_at <= :now AND NOT EXISTS (
    SELECT 1 FROM notification_news AS n JOIN notifications AS w ON w.id = n.notification
    WHERE n.target = f.target AND n.alert = f.alert AND w.due_at IS NOT NULL
)
ORDER BY repeat_at, target, alert LIMIT :limit;

-- name: follow
INSERT INTO alert_follows (target, alert, repeats, repeat_at) VALUES (:target, :alert, :repeats, :repeat_at)
ON CONFLICT (target, alert) DO UPDATE SET repeats = excluded.repeats, repeat_at = excluded.repeat_at;

-- name: unfollow
DELETE FROM alert_follows WHERE target = :target AND alert = :alert;

-- name: calm
DELETE FROM notification_news
WHERE target = :target AND alert = :alert AND kind = 'lasting'
    AND notification IN (SELECT id FROM notifications WHERE target = :target AND attempts = 0);

-- name: clear_empty
DELETE FROM notifications
WHERE target = :target AND NOT EXISTS (SELECT 1 FROM notification_news WHERE notification = notifications.id);

-- name: gathering
-- It locks the row: a notification that is being claimed meanwhile gets no more news.
UPDATE notifications SET due_at = due_at
WHERE attempts = 0 AND id = (
    SELECT min(id) FROM notifications AS n
    WHERE target = :target AND grouped = :grouped AND attempts = 0
        AND (SELECT count(*) FROM notification_news WHERE notification = n.id) < :most
)
RETURNING id AS number;

-- name: count_waiting
SELECT count(*) AS number FROM notifications WHERE target = :target AND due_at IS NOT NULL;

-- name: begin
INSERT INTO notifications (target, notification_key, grouped, attempts, due_at, until)
VALUES (:target, :key, :grouped, 0, :due_at, :until) ON CONFLICT DO NOTHING
RETURNING id AS number;

-- name: add_news
INSERT INTO notification_news (notification, target, alert, kind, happened_at)
VALUES (:notification, :target, :alert, :kind, :at);

-- name: due
SELECT DISTINCT target AS number FROM notifications WHERE due_at <= :now ORDER BY target;

-- name: first_due
SELECT id, notification_key, attempts, until FROM notifications
WHERE target = :target AND due_at <= :now ORDER BY due_at, id LIMIT 1;

-- name: close
UPDATE notifications SET attempts = attempts + 1 WHERE id = :id;

-- name: news
SELECT alert, kind, happened_at FROM notification_news WHERE notification = :id ORDER BY id;

-- name: postpone
UPDATE notifications SET due_at = :due_at WHERE id = :id;

-- name: give_up
UPDATE notifications SET due_at = NULL WHERE id = :id;

-- name: oldest_given_up
SELECT id AS number FROM notifications WHERE target = :target AND due_at IS NULL ORDER BY id DESC LIMIT :most OFFSET :kept;

-- name: retry
-- A notification that was tried before gets no more news, so that its id stays the id of the same news.
UPDATE notifications SET due_at = :now, until = :until, attempts = 1
WHERE id IN (
    SELECT id FROM notifications WHERE target = :target AND due_at IS NULL ORDER BY id LIMIT :room
);

-- name: remove_news
DELETE FROM notification_news WHERE notification = :id;

-- name: remove
DELETE FROM notifications WHERE id = :id;

-- name: note_sent
INSERT INTO notification_contacts (target, sent, dead, dropped, last_sent_at, failing_since, error)
VALUES (:target, 1, 0, 0, :now, NULL, '')
ON CONFLICT (target) DO UPDATE
SET sent = notification_contacts.sent + 1, last_sent_at = excluded.last_sent_at, failing_since = NULL, error = '';

-- name: note_failed
INSERT INTO notification_contacts (target, sent, dead, dropped, last_sent_at, failing_since, error)
VALUES (:target, 0, :dead, 0, NULL, :now, :error)
ON CONFLICT (target) DO UPDATE
SET dead = notification_contacts.dead + excluded.dead,
    failing_since = coalesce(notification_contacts.failing_since, excluded.failing_since), error = excluded.error;

-- name: note_dropped
INSERT INTO notification_contacts (target, sent, dead, dropped, last_sent_at, failing_since, error)
VALUES (:target, 0, 0, :dropped, NULL, NULL, '')
ON CONFLICT (target) DO UPDATE SET dropped = notification_contacts.dropped + excluded.dropped;

-- name: contacts
SELECT target, sent, dead, dropped, last_sent_at, failing_since, error FROM notification_contacts ORDER BY target;

-- name: waiting
SELECT target, count(*) AS number FROM notifications WHERE due_at IS NOT NULL GROUP BY target;

-- name: given_up
SELECT target, count(*) AS number FROM notifications WHERE due_at IS NULL GROUP BY target;

-- name: drop_news
DELETE FROM notification_news WHERE target = :target;

-- name: drop_notifications
DELETE FROM notifications WHERE target = :target;

-- name: drop_follows
DELETE FROM alert_follows WHERE target = :target;

-- name: drop_contact
DELETE FROM notification_contacts WHERE target = :target;

-- name: restart
UPDATE notification_cursor SET seq = :seq, round = round + 1;

-- name: stored_follows
SELECT target, alert, repeats, repeat_at FROM alert_follows ORDER BY target, alert;

-- name: stored_notifications
SELECT id, target, notification_key, grouped, attempts, due_at, until FROM notifications
WHERE id > :after ORDER BY id LIMIT :limit;

-- name: store
INSERT INTO notifications (target, notification_key, grouped, attempts, due_at, until)
VALUES (:target, :key, :group, :attempts, :due_at, :until)
RETURNING id AS number;

-- name: store_contact
INSERT INTO notification_contacts (target, sent, dead, dropped, last_sent_at, failing_since, error)
VALUES (:target, :sent, :dead, :dropped, :last_sent_at, :failing_since, :error);

-- name: clear_news
DELETE FROM notification_news;

-- name: clear_notifications
DELETE FROM notifications;

-- name: clear_follows
DELETE FROM alert_follows;

-- name: clear_contacts
DELETE FROM notification_contacts;
