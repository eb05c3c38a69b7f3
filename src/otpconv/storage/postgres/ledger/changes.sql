-- How the rollups follow the messages: what the messages contribute after a batch, minus what they contributed before it,
-- is added to the rollups in the same transaction.

-- name: changes_schema
-- Decides again which message is the first of each session that changes concern; returns what that changes.
CREATE FUNCTION resolve_sessions(moved contribution[]) RETURNS contribution[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    resolved contribution[];
BEGIN
    -- `more` is how many more of its later messages are verified than messages.session says. Most sessions need nothing:
    -- a message was verified that is its only or first one, or the only message is new.
    WITH touched AS (
        SELECT account, session_id, sum(sign * CASE WHEN session IS NULL THEN verified ELSE -session END) AS more,
            count(*) = 1 AND sum(sign) = 1 AS is_one_new
        FROM unnest(moved) WHERE session_id <> '' GROUP BY account, session_id
        HAVING sum(sign) <> 0 OR min(id) <> max(id) OR min(requested_at) <> max(requested_at)
            OR sum(sign * CASE WHEN session IS NULL THEN verified ELSE -session END) <> 0
    ), shared AS MATERIALIZED (
        -- A new message is marked as the first, and mostly that is right.
        SELECT account, session_id, more FROM touched AS t
        WHERE NOT is_one_new OR 1 < (
            SELECT count(*) FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
        )
    ), candidates AS MATERIALIZED (
        -- The first is either one of those marked, or the first of the later ones. No other message has to be read.
        SELECT c.*, t.more FROM shared AS t CROSS JOIN LATERAL (
            SELECT m.ctid AS place, contribution(m, -1) AS before, m.message_id FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
            OFFSET 0
        ) AS c
        UNION ALL
        SELECT c.*, t.more FROM shared AS t CROSS JOIN LATERAL (
            SELECT m.ctid AS place, contribution(m, -1) AS before, m.message_id FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NULL AND m.session_id <> ''
            ORDER BY m.requested_at, m.message_id LIMIT 1
        ) AS c
    ), decided AS MATERIALIZED (
        SELECT place, before,
            CASE WHEN row_number() OVER (
                PARTITION BY (before).account, (before).session_id ORDER BY (before).requested_at, message_id
            ) = 1 THEN
                more - (before).verified + sum(coalesce((before).session + (before).verified, 0))
                    OVER (PARTITION BY (before).account, (before).session_id)
            END AS session
        FROM candidates
    ), updated AS (
        UPDATE messages AS m SET session = d.session FROM decided AS d
        WHERE m.ctid = d.place AND (d.before).session IS DISTINCT FROM d.session
        RETURNING d.before, contribution(m, 1) AS after
    )
    SELECT array_agg(part) INTO resolved
    FROM (SELECT before AS part FROM updated UNION ALL SELECT after FROM updated) AS parts;
    RETURN resolved;
END $$;

-- Adds what the messages contribute to the counts of messages without a request.
CREATE FUNCTION settle_unmatched(moved contribution[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT account, sum(sign) AS messages FROM unnest(moved) WHERE requested_at IS NULL
        GROUP BY account HAVING sum(sign) <> 0
    ), updated AS (
        UPDATE unmatched AS u SET messages = u.messages + c.messages FROM changed AS c
        WHERE u.bucket = 0 AND u.account = c.account RETURNING u.account
    )
    INSERT INTO unmatched SELECT 0, account, messages, 0 FROM changed WHERE account NOT IN (SELECT account FROM updated);
END $$;

-- Adds what messages contribute, and the counts that erasures keep, to the rollups. Before horizons.minutes_from there are
-- rollups by quarter of an hour instead of rollups by minute. The planner takes the table for small, and must look up each
-- row nonetheless.
CREATE FUNCTION settle_counts(moved contribution[], kept change[]) RETURNS void LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_material = off SET enable_memoize = off AS $$
#variable_conflict use_column
DECLARE
    edge CONSTANT bigint := (SELECT minutes_from FROM horizons WHERE bucket = 0);
BEGIN
    WITH changes AS (
        SELECT account, requested_at / 60000 * 60000 AS start, dimensions,
            sign AS requested, sign * verified AS verified,
            CASE WHEN attempt = 1 THEN sign ELSE 0 END AS first_requested,
            CASE WHEN attempt = 1 THEN sign * verified ELSE 0 END AS first_verified,
            CASE WHEN session IS NULL THEN 0 ELSE sign END AS sessions,
            CASE WHEN session > 0 OR session = 0 AND verified = 1 THEN sign ELSE 0 END AS sessions_verified,
            sign * reported AS reported,
            CASE WHEN receipt > 0 THEN sign ELSE 0 END AS receipted,
            CASE WHEN receipt = 6 THEN sign ELSE 0 END AS delivered,
            CASE WHEN receipt = 6 THEN sign * verified ELSE 0 END AS delivered_verified,
            delay_bin, sign AS more
        FROM unnest(moved) WHERE requested_at IS NOT NULL
        UNION ALL
        SELECT account, start, dimensions, {count: $count}, delay_bin, more FROM unnest(kept)
    ), deltas AS (
        SELECT CASE GROUPING(hour, start) WHEN 3 THEN 86400000 WHEN 1 THEN 3600000 ELSE grain END AS grain,
            account, coalesce(start, hour, day) AS start, dimensions,
            {count: sum($count)::integer AS $count},
            {bin: coalesce(sum(more) FILTER (WHERE delay_bin = $bin), 0)::integer AS d$bin}
        FROM (
            SELECT grain, start / 86400000 * 86400000 AS day, start / 3600000 * 3600000 AS hour,
                start / grain * grain AS start, account, dimensions, {count: $count}, delay_bin, more
            FROM changes CROSS JOIN LATERAL (SELECT CASE WHEN start < edge THEN 900000 ELSE 60000 END AS grain) AS g
        ) AS c
        GROUP BY account, dimensions, ROLLUP (day, hour, (start, grain))
        HAVING GROUPING(day) = 0
            AND ({count: sum($count)}, {bin: coalesce(sum(more) FILTER (WHERE delay_bin = $bin), 0)}) <> ({count: 0}, {bin: 0})
    )
    -- A row is updated or inserted, but not both in one command (ON CONFLICT): a difference alone would break the rules of
    -- the table. A session without messages is one that an erasure keeps, of a message that a later erasure deletes: during
    -- a rebuild, its request comes with that one.
    MERGE INTO rollups AS r USING deltas AS d
    ON r.bucket = 0 AND r.writer = 1 AND r.grain = d.grain AND r.account = d.account AND r.start = d.start
        AND r.dimensions = d.dimensions
    WHEN MATCHED AND d.requested < 0 AND r.requested + d.requested = 0 AND r.sessions + d.sessions = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET {count: $count = r.$count + d.$count}, {bin: d$bin = r.d$bin + d.d$bin}
    WHEN NOT MATCHED AND (d.requested <> 0 OR d.sessions <> 0) THEN
        INSERT VALUES (0, 1, d.grain, d.account, d.start, d.dimensions, {count: d.$count}, {bin: d.d$bin});
END $$;

-- Brings what messages contribute, and the counts that erasures keep, into all sums. Of `moved`, sessions may change; of
-- `verified`, none does.
CREATE FUNCTION settle_moves(moved contribution[], verified contribution[], kept change[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    resolved CONSTANT contribution[] := resolve_sessions(moved);
    contributed CONSTANT contribution[] := moved || verified;
    any_unmatched boolean;
    any_price boolean;
BEGIN
    SELECT s.any_unmatched, s.any_price INTO any_unmatched, any_price FROM settle_routes(contributed, kept) AS s;
    IF any_unmatched THEN
        PERFORM settle_unmatched(contributed);
    END IF;
    IF any_price THEN
        PERFORM settle_costs(ARRAY(
            SELECT ROW(account, requested_at / 60000 * 60000, dimensions, currency, sign, sign * price)::cost
            FROM unnest(contributed) WHERE price IS NOT NULL
        ));
    END IF;
    PERFORM settle_counts(contributed || resolved, kept);
END $$;

CREATE FUNCTION settle(moved contribution[], kept change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM settle_moves(moved, NULL, kept);
END $$;

-- name: settle
SELECT settle(
    ARRAY(SELECT ROW(c.*)::contribution FROM contributions AS c),
    ARRAY(SELECT ROW(c.*)::change FROM changes AS c)
);

-- name: forget_changes
DELETE FROM contributions;
DELETE FROM changes;

-- name: first_minute
-- The start of the first rollup by minute, or a time if there is none before it.
SELECT least(min(first), :minutes_from) FROM (SELECT DISTINCT account FROM routes) AS a CROSS JOIN LATERAL (
    SELECT start AS first FROM rollups
    WHERE bucket = 0 AND writer = 1 AND grain = 60000 AND account = a.account ORDER BY start LIMIT 1
) AS r;

-- name: fold_hour
-- An expiry drops rollups by minute, and adds them to those by quarter of an hour.
WITH dropped AS (
    DELETE FROM rollups
    WHERE bucket = 0 AND writer = 1 AND grain = 60000 AND account IN (SELECT DISTINCT account FROM routes)
        AND start >= :hour AND start < least(:hour + 3600000, :minutes_from)
    RETURNING *
)
INSERT INTO rollups AS r
SELECT 0, 1, 900000, account, start / 900000 * 900000 AS quarter, dimensions,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM dropped GROUP BY account, quarter, dimensions
ON CONFLICT (bucket, writer, grain, account, start, dimensions) DO UPDATE SET
    {count: $count = r.$count + excluded.$count},
    {bin: d$bin = r.d$bin + excluded.d$bin};
