-- Notifications of alerts that are to be sent to targets. Times are milliseconds since the Unix epoch, UTC.

-- name: notifications_schema
-- One row: how far events were planned.
CREATE TABLE IF NOT EXISTS notification_cursor (
    one   boolean PRIMARY KEY CHECK (one),
    seq   bigint NOT NULL,
    round bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO notification_cursor VALUES (true, 0, 0) ON CONFLICT DO NOTHING;

-- Alerts that last, and the targets that got to know of them.
CREATE TABLE IF NOT EXISTS alert_follows (
    target    integer NOT NULL,
    alert     bigint NOT NULL,
    repeats   integer NOT NULL,
    repeat_at bigint,                   -- NULL: not while the alert stays as it is
    PRIMARY KEY (target, alert)
);
CREATE INDEX IF NOT EXISTS alert_follows_by_alert ON alert_follows (alert);
CREATE INDEX IF NOT EXISTS alert_follows_by_time ON alert_follows (repeat_at) WHERE repeat_at IS NOT NULL;

-- Notifications that wait, and the newest that were given up. Those that were about to be sent get no more news.
CREATE TABLE IF NOT EXISTS notifications (
    id               bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    target           integer NOT NULL,
    notification_key text COLLATE "C" NOT NULL UNIQUE,
    grouped          text NOT NULL,
    attempts         integer NOT NULL,
    due_at           bigint,            -- NULL: given up
    until            bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS notifications_by_time ON notifications (target, due_at, id);

CREATE TABLE IF NOT EXISTS notification_news (
    id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    notification bigint NOT NULL,
    target       integer NOT NULL,
    alert        bigint NOT NULL,
    kind         text NOT NULL,
    happened_at  bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS notification_news_by_notification ON notification_news (notification, id);
CREATE INDEX IF NOT EXISTS notification_news_by_alert ON notification_news (target, alert);

-- How notifying each target is going.
CREATE TABLE IF NOT EXISTS notification_contacts (
    target        integer PRIMARY KEY,
    sent          bigint NOT NULL,
    dead          bigint NOT NULL,
    dropped       bigint NOT NULL,
    last_sent_at  bigint,
    failing_since bigint,
    error         text NOT NULL
) WITH (fillfactor = 10);
