-- How the rollups follow the messages: sums what triggers.sql noted, and adds it to the rollups.

-- name: any_touched_session
SELECT CASE WHEN EXISTS (SELECT 1 FROM touched_sessions) THEN 1 ELSE 0 END;

-- name: find_sessions
-- A new message of a session is marked as its first, and mostly that is right. If the session has several messages,
-- its first is either one of those marked, or the first of the later ones. No other message has to be read.
INSERT INTO resolved_sessions
WITH shared AS MATERIALIZED (
    SELECT t.account, t.session_id, t.more FROM touched_sessions AS t
    WHERE t.more <> 0
        OR EXISTS (
            SELECT 1 FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NULL AND m.session_id <> ''
        )
        OR 1 < (
            SELECT count(*) FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
        )
), candidates AS MATERIALIZED (
    SELECT m.id, m.account, m.session_id, m.requested_at, m.message_id, m.verified, m.session, t.more
    FROM shared AS t JOIN messages AS m
        ON m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
    UNION ALL
    SELECT m.id, m.account, m.session_id, m.requested_at, m.message_id, m.verified, m.session, t.more
    FROM shared AS t JOIN messages AS m ON m.id = (
        SELECT l.id FROM messages AS l
        WHERE l.account = t.account AND l.session_id = t.session_id AND l.session IS NULL AND l.session_id <> ''
        ORDER BY l.requested_at, l.message_id LIMIT 1
    )
)
SELECT id, session FROM (
    SELECT id, session AS before,
        CASE WHEN row_number() OVER (PARTITION BY account, session_id ORDER BY requested_at, message_id) = 1 THEN
            more - verified
            + sum(coalesce(session + verified, 0)) OVER (PARTITION BY account, session_id)
        END AS session
    FROM candidates
) AS s WHERE before IS DISTINCT FROM session;

-- name: resolve_sessions
UPDATE messages AS m SET session = r.session FROM resolved_sessions AS r WHERE m.id = r.id;

-- name: forget_sessions
DELETE FROM touched_sessions;
DELETE FROM resolved_sessions;

-- name: sum_minutes
INSERT INTO deltas
SELECT 60000, account, minute, dimensions,
    {count: coalesce(sum($count), 0)},
    {bin: coalesce(sum(more) FILTER (WHERE delay_bin = $bin), 0)}
FROM changes GROUP BY account, minute, dimensions;

-- name: sum_quarters
-- Before horizons.minutes_from there are rollups by quarter of an hour instead of rollups by minute.
INSERT INTO deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM deltas WHERE grain = 60000 AND start < (SELECT minutes_from FROM horizons)
GROUP BY account, quarter, dimensions;

-- name: fold_minutes
-- An expiry adds the rollups by minute that it drops to the rollups by quarter of an hour.
INSERT INTO deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM rollups WHERE bucket = 0 AND writer = 1 AND grain = 60000 AND account IN (SELECT DISTINCT account FROM routes) AND start < :minutes_from
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
INSERT INTO routes
SELECT 0, account, provider, country, s.requested + coalesce(r.requested, 0), s.verified + coalesce(r.verified, 0)
FROM (
    SELECT d.account, d.provider, d.country, sum(deltas.requested) AS requested, sum(deltas.verified) AS verified
    FROM deltas JOIN dimensions AS d ON d.id = deltas.dimensions
    WHERE deltas.grain = 86400000 GROUP BY d.account, d.provider, d.country
) AS s LEFT JOIN (SELECT * FROM routes WHERE bucket = 0) AS r USING (account, provider, country)
ORDER BY account, provider, country
ON CONFLICT (bucket, account, provider, country) DO UPDATE
SET requested = excluded.requested, verified = excluded.verified;

-- name: settle
-- The whole counts, and not the differences, since a difference alone would break the rules of the table.
INSERT INTO rollups
SELECT 0, 1, d.grain, d.account, d.start, d.dimensions,
    {count: d.$count + coalesce(r.$count, 0)},
    {bin: d.d$bin + coalesce(r.d$bin, 0)}
FROM deltas AS d LEFT JOIN rollups AS r
    ON r.bucket = 0 AND r.writer = 1 AND r.grain = d.grain AND r.account = d.account AND r.start = d.start
    AND r.dimensions = d.dimensions
WHERE (d.grain > 60000 OR d.start >= (SELECT minutes_from FROM horizons WHERE bucket = 0))
    -- All 0 and no row: the batch added and removed the messages. A session without messages is one that an erasure
    -- keeps, of a message that a later erasure deletes: during a rebuild, its request comes with that one.
    AND (d.requested <> 0 OR d.sessions <> 0 OR r.requested IS NOT NULL)
ORDER BY d.grain, d.account, d.start, d.dimensions
ON CONFLICT (bucket, writer, grain, account, start, dimensions) DO UPDATE SET
    {count: $count = excluded.$count},
    {bin: d$bin = excluded.d$bin};

-- name: drop_empty
DELETE FROM rollups AS r USING deltas AS d
WHERE d.requested < 0 AND r.bucket = 0 AND r.writer = 1 AND r.grain = d.grain AND r.account = d.account
    AND r.start = d.start AND r.dimensions = d.dimensions AND r.requested = 0 AND r.sessions = 0;

-- name: forget_changes
DELETE FROM changes;
DELETE FROM deltas;
