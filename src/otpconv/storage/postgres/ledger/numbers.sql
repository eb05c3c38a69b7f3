-- How conversions that name only a number come to messages. One belongs to the newest message to its number at or before
-- it, at most 24 hours before. So a message has the conversions from its own time on, for 24 hours or until the next message.

-- name: numbers_schema
-- The places of the requested messages of a batch, if a conversion can belong to them.
CREATE FUNCTION places(requests report[]) RETURNS place[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT ROW(m.id, m.account, m.number, m.requested_at, m.message_id)::place
        FROM unnest(requests) AS r CROSS JOIN LATERAL (
            SELECT * FROM messages AS m
            WHERE m.bucket = r.bucket AND m.account = r.account AND m.message_id = r.message_id OFFSET 0
        ) AS m
        WHERE r.kind = 1 AND m.requested_at IS NOT NULL AND m.number IS NOT NULL AND (
            SELECT 1 FROM number_conversions AS c
            WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number
                AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
            LIMIT 1
        ) IS NOT NULL
    );
END $$;

-- The messages that can gain or lose conversions: the message at each place, the newest message before each place, and the
-- message that each of the conversions belongs to. No other message of the number can.
CREATE FUNCTION near_messages(places place[], conversions report[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT id FROM unnest(places)
        UNION
        SELECT id FROM (
            SELECT coalesce(
                (
                    SELECT m.id FROM messages AS m
                    WHERE m.requested_at / 86400000 = p.requested_at / 86400000 AND m.number = p.number
                        AND m.requested_at IS NOT NULL AND (m.requested_at, m.message_id) < (p.requested_at, p.message_id)
                    ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
                ), (
                    SELECT m.id FROM messages AS m
                    WHERE m.requested_at / 86400000 = p.requested_at / 86400000 - 1 AND m.number = p.number
                        AND m.requested_at >= p.requested_at - 86400000
                    ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
                )
            ) AS id
            FROM unnest(places) AS p
            UNION ALL
            SELECT coalesce(
                (
                    SELECT m.id FROM messages AS m
                    WHERE m.requested_at / 86400000 = c.at / 86400000 AND m.number = c.number AND m.requested_at <= c.at
                    ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
                ), (
                    SELECT m.id FROM messages AS m
                    WHERE m.requested_at / 86400000 = c.at / 86400000 - 1 AND m.number = c.number
                        AND m.requested_at >= c.at - 86400000
                    ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
                )
            )
            FROM unnest(conversions) AS c
        ) AS near WHERE id IS NOT NULL
    );
END $$;

CREATE FUNCTION limit_messages(touched bigint[]) RETURNS owner[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(o.id, least(m.requested_at + 86400000, coalesce(
            (
                SELECT later.requested_at - 1 FROM messages AS later
                WHERE later.requested_at / 86400000 = m.requested_at / 86400000 AND later.number = m.number
                    AND later.requested_at IS NOT NULL
                    AND (later.requested_at, later.message_id) > (m.requested_at, m.message_id)
                ORDER BY later.requested_at, later.message_id LIMIT 1
            ), (
                SELECT later.requested_at - 1 FROM messages AS later
                WHERE later.requested_at / 86400000 = m.requested_at / 86400000 + 1 AND later.number = m.number
                    AND later.requested_at <= m.requested_at + 86400000
                ORDER BY later.requested_at, later.message_id LIMIT 1
            ), m.requested_at + 86400000
        )))::owner
        FROM unnest(touched) AS o (id) CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = o.id OFFSET 0) AS m
    );
END $$;

-- Gives messages the conversions that belong to them, and returns what that changes.
CREATE FUNCTION resolve_numbers(touched owner[]) RETURNS contribution[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    changed contribution[];
BEGIN
    WITH resolved AS MATERIALIZED (
        SELECT m.*,
            (
                SELECT min(c.conversion_time) FROM number_conversions AS c
                WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number AND c.delivered
                    AND c.conversion_time > m.requested_at AND c.conversion_time <= t.until
            ) AS number_true,
            EXISTS (
                SELECT 1 FROM number_conversions AS c
                WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number
                    AND c.conversion_time BETWEEN m.requested_at AND t.until
            ) AS number_reported
        FROM unnest(touched) AS t CROSS JOIN LATERAL (
            SELECT ctid AS place, contribution(m, -1) AS before, account, number, requested_at,
                number_true AS number_true_before, coalesce(number_reported, false) AS number_reported_before
            FROM messages AS m WHERE m.id = t.id OFFSET 0
        ) AS m
    ), updated AS (
        UPDATE messages AS m SET number_true = r.number_true, number_reported = r.number_reported FROM resolved AS r
        WHERE m.ctid = r.place AND (r.number_true_before, r.number_reported_before)
            IS DISTINCT FROM (r.number_true, r.number_reported)
        RETURNING r.before, contribution(m, 1) AS after
    )
    SELECT array_agg(part) INTO changed
    FROM (SELECT before AS part FROM updated UNION ALL SELECT after FROM updated) AS parts;
    RETURN changed;
END $$;

-- Merges the conversions of a batch that name only a number, once its messages are merged, and returns what the messages
-- contribute by that. `places_before` are those of its requested messages before, since a message can move.
CREATE FUNCTION merge_numbers(requests report[], conversions report[], places_before place[]) RETURNS contribution[]
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    touched place[];
    changed contribution[];
    hours number_hour[];
BEGIN
    INSERT INTO number_conversions
    SELECT DISTINCT number_bucket(number), account, number, delivered, at FROM unnest(conversions)
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT DO NOTHING;
    touched := places_before || places(requests);
    changed := resolve_numbers(limit_messages(near_messages(touched, conversions)));
    hours := find_unexplained(number_hours(touched, conversions));
    PERFORM note_matched(hours);
    PERFORM note_unmatched(hours);
    RETURN changed;
END $$;

-- name: touch_messages
INSERT INTO touched_messages (id)
SELECT unnest(near_messages(
    ARRAY(SELECT ROW(p.*)::place FROM touched_places AS p),
    ARRAY(SELECT ROW(c.*)::report FROM batch AS c WHERE kind = 2 AND message_id IS NULL)
))
ON CONFLICT DO NOTHING;

-- name: limit_messages
UPDATE touched_messages AS t SET until = o.until
FROM unnest(limit_messages(ARRAY(SELECT id FROM touched_messages))) AS o WHERE t.id = o.id;

-- name: resolve_numbers
INSERT INTO contributions
SELECT * FROM unnest(resolve_numbers(ARRAY(SELECT ROW(t.*)::owner FROM touched_messages AS t)));
