-- Notifications of alerts, in alerts.sqlite; added to files of every version. Times are ms since the Unix epoch, UTC.

-- One row: how far events were planned.
CREATE TABLE IF NOT EXISTS notification_cursor (
    only  INTEGER PRIMARY KEY CHECK (only = 0),
    seq   INTEGER NOT NULL,
    round INTEGER NOT NULL
) STRICT;
INSERT INTO notification_cursor (only, seq, round) VALUES (0, 0, 0) ON CONFLICT DO NOTHING;

-- Alerts that last, and the targets that got to know of them.
CREATE TABLE IF NOT EXISTS alert_follows (
    target    INTEGER NOT NULL,
    alert     INTEGER NOT NULL,
    repeats   INTEGER NOT NULL,
    repeat_at INTEGER,             -- NULL: not while the alert stays as it is
    PRIMARY KEY (target, alert)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alert_follows_by_alert ON alert_follows (alert);
CREATE INDEX IF NOT EXISTS alert_follows_by_time ON alert_follows (repeat_at) WHERE repeat_at IS NOT NULL;

-- Notifications that wait, and the newest that were given up. Those that were about to be sent get no more news.
CREATE TABLE IF NOT EXISTS notifications (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    target           INTEGER NOT NULL,
    notification_key TEXT NOT NULL UNIQUE,
    grouped          TEXT NOT NULL,
    attempts         INTEGER NOT NULL,
    due_at           INTEGER,             -- NULL: given up
    until            INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notifications_by_time ON notifications (target, due_at, id);

CREATE TABLE IF NOT EXISTS notification_news (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    notification INTEGER NOT NULL,
    target       INTEGER NOT NULL,
    alert        INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    happened_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notification_news_by_notification ON notification_news (notification, id);
CREATE INDEX IF NOT EXISTS notification_news_by_alert ON notification_news (target, alert);

CREATE TABLE IF NOT EXISTS notification_contacts (
    target        INTEGER PRIMARY KEY,
    sent          INTEGER NOT NULL,
    dead          INTEGER NOT NULL,
    dropped       INTEGER NOT NULL,
    last_sent_at  INTEGER,
    failing_since INTEGER,
    error         TEXT NOT NULL
) STRICT;
