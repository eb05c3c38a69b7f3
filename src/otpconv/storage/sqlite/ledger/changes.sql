-- How the rollups follow the messages. Triggers write down each change of a message: they add what it contributes to
-- the counts after the change, and subtract what it contributed before. At the end of the batch, in the same
-- transaction, the sums of these changes are added to the rollups. Sums are cheaper, since many messages of a batch
-- share a rollup. All tables here are temporary; only the rollups and routes last.

-- name: changes_schema
CREATE TEMP TABLE changes (
    account INTEGER, at INTEGER, dimensions INTEGER,
    {count: $count INTEGER},
    delay_bin INTEGER, more INTEGER,    -- this bin counts so many more messages; NULL: none does
    number_range TEXT                   -- the range that counts them; NULL: none does
);
CREATE TEMP TABLE deltas (
    grain INTEGER, account INTEGER, start INTEGER, dimensions INTEGER,
    {count: $count INTEGER},
    {bin: d$bin INTEGER}
);
CREATE TEMP TABLE touched_sessions (
    account INTEGER, session_id TEXT,
    more INTEGER,       -- how many more of its later messages are verified than messages.session says
    PRIMARY KEY (account, session_id)
) WITHOUT ROWID;
CREATE TEMP TABLE resolved_sessions (id INTEGER PRIMARY KEY, session INTEGER);

CREATE TEMP TRIGGER message_requested AFTER INSERT ON main.messages WHEN NEW.requested_at IS NOT NULL
BEGIN
    INSERT INTO changes VALUES (
        NEW.account, NEW.requested_at, NEW.dimensions, 1, NEW.verified, NEW.attempt = 1,
        NEW.attempt = 1 AND NEW.verified, NEW.session IS NOT NULL,
        NEW.session IS NOT NULL AND (NEW.session > 0 OR NEW.verified), NEW.reported,
        0, 0, 0,    -- a message has receipts only once it is there
        NEW.delay_bin, 1, NEW.number_range
    );
END;

-- Only an erasure deletes a message that was requested.
CREATE TEMP TRIGGER message_erased AFTER DELETE ON main.messages WHEN OLD.requested_at IS NOT NULL
BEGIN
    INSERT INTO changes SELECT
        OLD.account, OLD.requested_at, OLD.dimensions, -1, -(OLD.verified), -(OLD.attempt = 1),
        -(OLD.attempt = 1 AND OLD.verified), -(OLD.session IS NOT NULL),
        -(OLD.session IS NOT NULL AND (OLD.session > 0 OR OLD.verified)), -(OLD.reported),
        -(coalesce(OLD.receipt > 0, 0)), -(OLD.receipt IS 6), -(OLD.receipt IS 6 AND OLD.verified),
        OLD.delay_bin, -1, OLD.number_range;
    INSERT INTO touched_sessions
    SELECT OLD.account, OLD.session_id, iif(OLD.session IS NULL, -(OLD.verified), OLD.session) WHERE OLD.session_id <> ''
    ON CONFLICT DO UPDATE SET more = more + excluded.more;
END;

-- The most frequent change: the first conversion of a message, or the first true one.
CREATE TEMP TRIGGER message_reported AFTER UPDATE ON main.messages
WHEN OLD.requested_at = NEW.requested_at AND OLD.dimensions = NEW.dimensions AND OLD.attempt = NEW.attempt
    AND OLD.session IS NEW.session AND OLD.number_range IS NEW.number_range AND NOT OLD.verified AND (NEW.verified OR OLD.reported < NEW.reported)
BEGIN
    INSERT INTO changes VALUES (
        NEW.account, NEW.requested_at, NEW.dimensions, 0, NEW.verified, 0,
        NEW.attempt = 1 AND NEW.verified, 0,
        NEW.session IS 0 AND NEW.verified, NEW.reported - OLD.reported,
        0, 0, NEW.receipt IS 6 AND NEW.verified,
        NEW.delay_bin, 1, iif(NEW.verified, NEW.number_range, NULL)
    );
END;

CREATE TEMP TRIGGER message_changed AFTER UPDATE ON main.messages
WHEN OLD.requested_at IS NOT NEW.requested_at OR OLD.dimensions IS NOT NEW.dimensions OR OLD.attempt IS NOT NEW.attempt
    OR OLD.session IS NOT NEW.session OR OLD.number_range IS NOT NEW.number_range OR OLD.verified AND OLD.verified_at IS NOT NEW.verified_at
    OR OLD.reported > NEW.reported
BEGIN
    INSERT INTO changes SELECT
        OLD.account, OLD.requested_at, OLD.dimensions, -1, -(OLD.verified), -(OLD.attempt = 1),
        -(OLD.attempt = 1 AND OLD.verified), -(OLD.session IS NOT NULL),
        -(OLD.session IS NOT NULL AND (OLD.session > 0 OR OLD.verified)), -(OLD.reported),
        -(coalesce(OLD.receipt > 0, 0)), -(OLD.receipt IS 6), -(OLD.receipt IS 6 AND OLD.verified),
        OLD.delay_bin, -1, OLD.number_range
    WHERE OLD.requested_at IS NOT NULL;
    INSERT INTO changes SELECT
        NEW.account, NEW.requested_at, NEW.dimensions, 1, NEW.verified, NEW.attempt = 1,
        NEW.attempt = 1 AND NEW.verified, NEW.session IS NOT NULL,
        NEW.session IS NOT NULL AND (NEW.session > 0 OR NEW.verified), NEW.reported,
        coalesce(NEW.receipt > 0, 0), NEW.receipt IS 6, NEW.receipt IS 6 AND NEW.verified,
        NEW.delay_bin, 1, NEW.number_range
    WHERE NEW.requested_at IS NOT NULL;
END;

-- Receipts are copied to messages by statements that change nothing else of them.
CREATE TEMP TRIGGER message_receipted AFTER UPDATE OF receipt ON main.messages
WHEN coalesce(OLD.receipt > 0, 0) <> coalesce(NEW.receipt > 0, 0) OR (OLD.receipt IS 6) <> (NEW.receipt IS 6)
BEGIN
    INSERT INTO changes VALUES (
        NEW.account, NEW.requested_at, NEW.dimensions, 0, 0, 0, 0, 0, 0, 0,
        coalesce(NEW.receipt > 0, 0) - coalesce(OLD.receipt > 0, 0), (NEW.receipt IS 6) - (OLD.receipt IS 6),
        (NEW.receipt IS 6 AND NEW.verified) - (OLD.receipt IS 6 AND OLD.verified),
        NULL, NULL, NULL
    );
END;

CREATE TEMP TRIGGER session_begun AFTER INSERT ON main.messages WHEN NEW.session_id <> ''
BEGIN
    INSERT INTO touched_sessions VALUES (NEW.account, NEW.session_id, 0) ON CONFLICT DO NOTHING;
END;

-- Only the later messages of a session matter here: whether the first message is verified is in its own row.
CREATE TEMP TRIGGER session_changed AFTER UPDATE ON main.messages
WHEN OLD.session_id IS NOT NEW.session_id OR OLD.requested_at IS NOT NEW.requested_at
    OR NEW.session IS NULL AND NEW.session_id <> '' AND OLD.verified <> NEW.verified
BEGIN
    INSERT INTO touched_sessions
    SELECT OLD.account, OLD.session_id, iif(OLD.session IS NULL, -(OLD.verified), OLD.session) WHERE OLD.session_id <> ''
    ON CONFLICT DO UPDATE SET more = more + excluded.more;
    INSERT INTO touched_sessions
    SELECT NEW.account, NEW.session_id, iif(NEW.session IS NULL, NEW.verified, -(NEW.session)) WHERE NEW.session_id <> ''
    ON CONFLICT DO UPDATE SET more = more + excluded.more;
END;

-- name: any_touched_session
SELECT EXISTS (SELECT 1 FROM touched_sessions);

-- name: find_sessions
-- A new message of a session is marked as its first, and mostly that is right. If the session has several messages,
-- its first is either one of those marked, or the first of the later ones. No other message has to be read.
INSERT INTO resolved_sessions
WITH shared AS MATERIALIZED (
    SELECT t.account, t.session_id, t.more FROM touched_sessions AS t
    WHERE t.more <> 0
        OR EXISTS (
            SELECT 1 FROM messages AS m INDEXED BY messages_later_in_session
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NULL AND m.session_id <> ''
        )
        OR 1 < (
            SELECT count(*) FROM messages AS m INDEXED BY messages_first_of_session
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
        )
), candidates AS MATERIALIZED (
    SELECT m.id, m.account, m.session_id, m.requested_at, m.message_id, m.verified, m.session, t.more
    FROM shared AS t CROSS JOIN messages AS m INDEXED BY messages_first_of_session
        ON m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
    UNION ALL
    SELECT m.id, m.account, m.session_id, m.requested_at, m.message_id, m.verified, m.session, t.more
    FROM shared AS t CROSS JOIN messages AS m ON m.id = (
        SELECT l.id FROM messages AS l INDEXED BY messages_later_in_session
        WHERE l.account = t.account AND l.session_id = t.session_id AND l.session IS NULL AND l.session_id <> ''
        ORDER BY l.requested_at, l.message_id LIMIT 1
    )
)
SELECT id, session FROM (
    SELECT id, session AS before,
        iif(
            row_number() OVER (PARTITION BY account, session_id ORDER BY requested_at, message_id) = 1,
            more - verified + sum(iif(session IS NULL, 0, session + verified)) OVER (PARTITION BY account, session_id),
            NULL
        ) AS session
    FROM candidates
) WHERE before IS NOT session;

-- name: resolve_sessions
UPDATE messages SET session = (SELECT r.session FROM resolved_sessions AS r WHERE r.id = messages.id)
WHERE id IN (SELECT id FROM resolved_sessions);

-- name: forget_sessions
DELETE FROM touched_sessions;
DELETE FROM resolved_sessions;

-- name: sum_minutes
INSERT INTO deltas
SELECT 60000, account, at / 60000 * 60000 AS start, dimensions,
    {count: sum($count)},
    {bin: coalesce(sum(more) FILTER (WHERE delay_bin = $bin), 0)}
FROM changes GROUP BY account, start, dimensions;

-- name: sum_quarters
-- Before progress.minutes_from there are rollups by quarter of an hour instead of rollups by minute.
INSERT INTO deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM deltas WHERE grain = 60000 AND start < (SELECT minutes_from FROM progress)
GROUP BY account, quarter, dimensions;

-- name: fold_minutes
-- An expiry adds the rollups by minute that it drops to the rollups by quarter of an hour.
INSERT INTO deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM rollups WHERE grain = 60000 AND account IN (SELECT DISTINCT account FROM routes) AND start < :minutes_from
GROUP BY account, quarter, dimensions;

-- name: sum_hours
INSERT INTO deltas
SELECT 3600000, account, start / 3600000 * 3600000 AS hour, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM deltas WHERE grain = 60000 GROUP BY account, hour, dimensions;

-- name: sum_days
INSERT INTO deltas
SELECT 86400000, account, start / 86400000 * 86400000 AS day, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM deltas WHERE grain = 3600000 GROUP BY account, day, dimensions;

-- name: settle_routes
INSERT OR REPLACE INTO routes
SELECT account, provider, country, s.requested + coalesce(r.requested, 0), s.verified + coalesce(r.verified, 0)
FROM (
    SELECT d.account, d.provider, d.country, sum(deltas.requested) AS requested, sum(deltas.verified) AS verified
    FROM deltas CROSS JOIN dimensions AS d ON d.id = deltas.dimensions
    WHERE deltas.grain = 86400000 GROUP BY d.account, d.provider, d.country
) AS s LEFT JOIN routes AS r USING (account, provider, country);

-- name: settle
INSERT OR REPLACE INTO rollups
SELECT d.grain, d.account, d.start, d.dimensions,
    {count: d.$count + coalesce(r.$count, 0)},
    {bin: d.d$bin + coalesce(r.d$bin, 0)}
FROM deltas AS d LEFT JOIN rollups AS r USING (grain, account, start, dimensions)
WHERE (d.grain > 60000 OR d.start >= (SELECT minutes_from FROM progress))
    -- All 0 and no row: the batch added and removed the messages. A session without messages is one that an erasure
    -- keeps, of a message that a later erasure deletes: during a rebuild, its request comes with that one.
    AND (d.requested <> 0 OR d.sessions <> 0 OR r.requested IS NOT NULL);

-- name: drop_empty
DELETE FROM rollups WHERE requested = 0 AND sessions = 0 AND (grain, account, start, dimensions) IN (
    SELECT grain, account, start, dimensions FROM deltas WHERE requested < 0
);

-- name: forget_changes
DELETE FROM changes;
DELETE FROM deltas;
