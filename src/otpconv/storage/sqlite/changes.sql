-- How the rollups follow the messages. Whatever changes a message, triggers note what it contributes after the
-- change and take off what it contributed before; `settle` brings that into the rollups, in the same transaction.
-- In sum and not one by one: many messages of a batch share a row. All of it is temporary, but for the rollups.

-- name: changes_schema
CREATE TEMP TABLE changes (
    account INTEGER, at INTEGER, dimensions INTEGER,
    requested INTEGER, verified INTEGER, first_requested INTEGER, first_verified INTEGER,
    sessions INTEGER, sessions_verified INTEGER, reported INTEGER,
    bucket INTEGER, by INTEGER      -- of the delays: which, NULL for none, and how many more
);
CREATE TEMP TABLE deltas (
    grain INTEGER, account INTEGER, start INTEGER, dimensions INTEGER,
    requested INTEGER, verified INTEGER, first_requested INTEGER, first_verified INTEGER, sessions INTEGER,
    sessions_verified INTEGER, reported INTEGER,
    d0 INTEGER, d1 INTEGER, d2 INTEGER, d3 INTEGER, d4 INTEGER, d5 INTEGER, d6 INTEGER, d7 INTEGER, d8 INTEGER,
    d9 INTEGER, d10 INTEGER, d11 INTEGER, d12 INTEGER, d13 INTEGER, d14 INTEGER, d15 INTEGER, d16 INTEGER,
    d17 INTEGER, d18 INTEGER, d19 INTEGER, d20 INTEGER, d21 INTEGER, d22 INTEGER, d23 INTEGER, d24 INTEGER,
    d25 INTEGER, d26 INTEGER, d27 INTEGER, d28 INTEGER, d29 INTEGER, d30 INTEGER, d31 INTEGER, d32 INTEGER,
    d33 INTEGER, d34 INTEGER
);
CREATE TEMP TABLE touched_sessions (
    account INTEGER, session_id TEXT,
    more INTEGER,       -- how many more of its later messages are verified than `messages.session` says
    PRIMARY KEY (account, session_id)
) WITHOUT ROWID;
CREATE TEMP TABLE resolved_sessions (id INTEGER PRIMARY KEY, session INTEGER);

CREATE TEMP TRIGGER message_requested AFTER INSERT ON main.messages WHEN NEW.requested_at IS NOT NULL
BEGIN
    INSERT INTO changes VALUES (
        NEW.account, NEW.requested_at, NEW.dimensions, 1, NEW.verified, NEW.attempt = 1,
        NEW.attempt = 1 AND NEW.verified, NEW.session IS NOT NULL,
        NEW.session IS NOT NULL AND (NEW.session > 0 OR NEW.verified), NEW.reported,
        max(0, min(34, CAST(1 + 2 * log2((NEW.verified_at - NEW.requested_at) / 1000.0) AS INTEGER))), 1
    );
END;

-- What happens to most: it is verified, or reported about, for the first time.
CREATE TEMP TRIGGER message_reported AFTER UPDATE ON main.messages
WHEN OLD.requested_at = NEW.requested_at AND OLD.dimensions = NEW.dimensions AND OLD.attempt = NEW.attempt
    AND OLD.session IS NEW.session AND NOT OLD.verified AND (NEW.verified OR OLD.reported < NEW.reported)
BEGIN
    INSERT INTO changes VALUES (
        NEW.account, NEW.requested_at, NEW.dimensions, 0, NEW.verified, 0,
        NEW.attempt = 1 AND NEW.verified, 0,
        NEW.session IS 0 AND NEW.verified, NEW.reported - OLD.reported,
        max(0, min(34, CAST(1 + 2 * log2((NEW.verified_at - NEW.requested_at) / 1000.0) AS INTEGER))), 1
    );
END;

CREATE TEMP TRIGGER message_changed AFTER UPDATE ON main.messages
WHEN OLD.requested_at IS NOT NEW.requested_at OR OLD.dimensions IS NOT NEW.dimensions OR OLD.attempt IS NOT NEW.attempt
    OR OLD.session IS NOT NEW.session OR OLD.verified AND OLD.verified_at IS NOT NEW.verified_at
    OR OLD.reported > NEW.reported
BEGIN
    INSERT INTO changes SELECT
        OLD.account, OLD.requested_at, OLD.dimensions, -1, -(OLD.verified), -(OLD.attempt = 1),
        -(OLD.attempt = 1 AND OLD.verified), -(OLD.session IS NOT NULL),
        -(OLD.session IS NOT NULL AND (OLD.session > 0 OR OLD.verified)), -(OLD.reported),
        max(0, min(34, CAST(1 + 2 * log2((OLD.verified_at - OLD.requested_at) / 1000.0) AS INTEGER))), -1
    WHERE OLD.requested_at IS NOT NULL;
    INSERT INTO changes SELECT
        NEW.account, NEW.requested_at, NEW.dimensions, 1, NEW.verified, NEW.attempt = 1,
        NEW.attempt = 1 AND NEW.verified, NEW.session IS NOT NULL,
        NEW.session IS NOT NULL AND (NEW.session > 0 OR NEW.verified), NEW.reported,
        max(0, min(34, CAST(1 + 2 * log2((NEW.verified_at - NEW.requested_at) / 1000.0) AS INTEGER))), 1
    WHERE NEW.requested_at IS NOT NULL;
END;

CREATE TEMP TRIGGER session_begun AFTER INSERT ON main.messages WHEN NEW.session_id <> ''
BEGIN
    INSERT INTO touched_sessions VALUES (NEW.account, NEW.session_id, 0) ON CONFLICT DO NOTHING;
END;

-- Whether the first message of a session is verified, the rollups take from the message itself.
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
-- A message that is new in a session is taken for its first, and mostly is. Where there are others, the first is
-- one of those taken for it, or the first of the later ones; the rest of the later ones need no look.
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
    sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions),
    sum(sessions_verified), sum(reported),
    coalesce(sum(by) FILTER (WHERE bucket = 0), 0), coalesce(sum(by) FILTER (WHERE bucket = 1), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 2), 0), coalesce(sum(by) FILTER (WHERE bucket = 3), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 4), 0), coalesce(sum(by) FILTER (WHERE bucket = 5), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 6), 0), coalesce(sum(by) FILTER (WHERE bucket = 7), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 8), 0), coalesce(sum(by) FILTER (WHERE bucket = 9), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 10), 0), coalesce(sum(by) FILTER (WHERE bucket = 11), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 12), 0), coalesce(sum(by) FILTER (WHERE bucket = 13), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 14), 0), coalesce(sum(by) FILTER (WHERE bucket = 15), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 16), 0), coalesce(sum(by) FILTER (WHERE bucket = 17), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 18), 0), coalesce(sum(by) FILTER (WHERE bucket = 19), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 20), 0), coalesce(sum(by) FILTER (WHERE bucket = 21), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 22), 0), coalesce(sum(by) FILTER (WHERE bucket = 23), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 24), 0), coalesce(sum(by) FILTER (WHERE bucket = 25), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 26), 0), coalesce(sum(by) FILTER (WHERE bucket = 27), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 28), 0), coalesce(sum(by) FILTER (WHERE bucket = 29), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 30), 0), coalesce(sum(by) FILTER (WHERE bucket = 31), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 32), 0), coalesce(sum(by) FILTER (WHERE bucket = 33), 0),
    coalesce(sum(by) FILTER (WHERE bucket = 34), 0)
FROM changes GROUP BY account, start, dimensions;

-- name: sum_quarters
-- Of times before minutes_from the quarters of an hour are kept, in place of the minutes.
INSERT INTO deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions),
    sum(sessions_verified), sum(reported),
    sum(d0), sum(d1), sum(d2), sum(d3), sum(d4), sum(d5), sum(d6), sum(d7), sum(d8), sum(d9), sum(d10),
    sum(d11), sum(d12), sum(d13), sum(d14), sum(d15), sum(d16), sum(d17), sum(d18), sum(d19), sum(d20),
    sum(d21), sum(d22), sum(d23), sum(d24), sum(d25), sum(d26), sum(d27), sum(d28), sum(d29), sum(d30),
    sum(d31), sum(d32), sum(d33), sum(d34)
FROM deltas WHERE grain = 60000 AND start < (SELECT minutes_from FROM progress)
GROUP BY account, quarter, dimensions;

-- name: fold_minutes
INSERT INTO deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions),
    sum(sessions_verified), sum(reported),
    sum(d0), sum(d1), sum(d2), sum(d3), sum(d4), sum(d5), sum(d6), sum(d7), sum(d8), sum(d9), sum(d10),
    sum(d11), sum(d12), sum(d13), sum(d14), sum(d15), sum(d16), sum(d17), sum(d18), sum(d19), sum(d20),
    sum(d21), sum(d22), sum(d23), sum(d24), sum(d25), sum(d26), sum(d27), sum(d28), sum(d29), sum(d30),
    sum(d31), sum(d32), sum(d33), sum(d34)
FROM rollups WHERE grain = 60000 AND account IN (SELECT DISTINCT account FROM routes) AND start < :minutes_from
GROUP BY account, quarter, dimensions;

-- name: sum_hours
INSERT INTO deltas
SELECT 3600000, account, start / 3600000 * 3600000 AS hour, dimensions,
    sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions),
    sum(sessions_verified), sum(reported),
    sum(d0), sum(d1), sum(d2), sum(d3), sum(d4), sum(d5), sum(d6), sum(d7), sum(d8), sum(d9), sum(d10),
    sum(d11), sum(d12), sum(d13), sum(d14), sum(d15), sum(d16), sum(d17), sum(d18), sum(d19), sum(d20),
    sum(d21), sum(d22), sum(d23), sum(d24), sum(d25), sum(d26), sum(d27), sum(d28), sum(d29), sum(d30),
    sum(d31), sum(d32), sum(d33), sum(d34)
FROM deltas WHERE grain = 60000 GROUP BY account, hour, dimensions;

-- name: sum_days
INSERT INTO deltas
SELECT 86400000, account, start / 86400000 * 86400000 AS day, dimensions,
    sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions),
    sum(sessions_verified), sum(reported),
    sum(d0), sum(d1), sum(d2), sum(d3), sum(d4), sum(d5), sum(d6), sum(d7), sum(d8), sum(d9), sum(d10),
    sum(d11), sum(d12), sum(d13), sum(d14), sum(d15), sum(d16), sum(d17), sum(d18), sum(d19), sum(d20),
    sum(d21), sum(d22), sum(d23), sum(d24), sum(d25), sum(d26), sum(d27), sum(d28), sum(d29), sum(d30),
    sum(d31), sum(d32), sum(d33), sum(d34)
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
    d.requested + coalesce(r.requested, 0), d.verified + coalesce(r.verified, 0),
    d.first_requested + coalesce(r.first_requested, 0), d.first_verified + coalesce(r.first_verified, 0),
    d.sessions + coalesce(r.sessions, 0), d.sessions_verified + coalesce(r.sessions_verified, 0),
    d.reported + coalesce(r.reported, 0),
    d.d0 + coalesce(r.d0, 0), d.d1 + coalesce(r.d1, 0), d.d2 + coalesce(r.d2, 0), d.d3 + coalesce(r.d3, 0),
    d.d4 + coalesce(r.d4, 0), d.d5 + coalesce(r.d5, 0), d.d6 + coalesce(r.d6, 0), d.d7 + coalesce(r.d7, 0),
    d.d8 + coalesce(r.d8, 0), d.d9 + coalesce(r.d9, 0), d.d10 + coalesce(r.d10, 0), d.d11 + coalesce(r.d11, 0),
    d.d12 + coalesce(r.d12, 0), d.d13 + coalesce(r.d13, 0), d.d14 + coalesce(r.d14, 0),
    d.d15 + coalesce(r.d15, 0), d.d16 + coalesce(r.d16, 0), d.d17 + coalesce(r.d17, 0),
    d.d18 + coalesce(r.d18, 0), d.d19 + coalesce(r.d19, 0), d.d20 + coalesce(r.d20, 0),
    d.d21 + coalesce(r.d21, 0), d.d22 + coalesce(r.d22, 0), d.d23 + coalesce(r.d23, 0),
    d.d24 + coalesce(r.d24, 0), d.d25 + coalesce(r.d25, 0), d.d26 + coalesce(r.d26, 0),
    d.d27 + coalesce(r.d27, 0), d.d28 + coalesce(r.d28, 0), d.d29 + coalesce(r.d29, 0),
    d.d30 + coalesce(r.d30, 0), d.d31 + coalesce(r.d31, 0), d.d32 + coalesce(r.d32, 0),
    d.d33 + coalesce(r.d33, 0), d.d34 + coalesce(r.d34, 0)
FROM deltas AS d LEFT JOIN rollups AS r USING (grain, account, start, dimensions)
WHERE (d.grain > 60000 OR d.start >= (SELECT minutes_from FROM progress))
    AND (d.requested <> 0 OR r.requested IS NOT NULL);  -- what came and went in one batch was never here

-- name: drop_empty
DELETE FROM rollups WHERE requested = 0 AND (grain, account, start, dimensions) IN (
    SELECT grain, account, start, dimensions FROM deltas WHERE requested < 0
);

-- name: forget_changes
DELETE FROM changes;
DELETE FROM deltas;
