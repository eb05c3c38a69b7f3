-- Conversions without a known message, and the number of messages and numbers that they name. Triggers update the
-- counts in the same transaction, so that no question has to count.
--
-- A message explains the conversions of its number from its request until 24 hours later. So within an hour of a number,
-- the unexplained instants are one range. It starts where the 24 hours of the last message before the hour end, or at
-- the start of the hour. It ends before the first message in the hour, or at the end of the hour. A few lookups tell
-- whether the range has any conversion, however many there are.

-- name: unmatched_schema
-- The hours of the conversions, the unmatched hours that messages may explain now, and the 24 hours after each place that
-- a message has left.
CREATE FUNCTION number_hours(places place[], conversions report[]) RETURNS number_hour[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT ROW(account, number, start, NULL, NULL)::number_hour FROM (
            SELECT account, number, at / 3600000 * 3600000 AS start FROM unnest(conversions)
            UNION
            SELECT u.account, u.number, u.start
            FROM unnest(places) AS p CROSS JOIN LATERAL (
                SELECT * FROM unmatched_hours AS u
                WHERE u.bucket = number_bucket(p.number) AND u.account = p.account AND u.number = p.number
                    AND u.start BETWEEN p.requested_at / 3600000 * 3600000 AND p.requested_at + 86400000
                OFFSET 0
            ) AS u
            UNION
            SELECT p.account, p.number, (p.requested_at / 3600000 + hour) * 3600000
            FROM unnest(places) AS p CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = p.id OFFSET 0) AS m
                CROSS JOIN generate_series(0, 24) AS hour
            WHERE m.number IS DISTINCT FROM p.number OR m.requested_at <> p.requested_at
        ) AS h
    );
END $$;

CREATE FUNCTION find_unexplained(hours number_hour[]) RETURNS number_hour[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            t.account, t.number, t.start,
            greatest(t.start, coalesce(
                (
                    SELECT m.requested_at + 86400001 FROM messages AS m
                    WHERE m.requested_at / 86400000 = t.start / 86400000 AND m.number = t.number AND m.requested_at < t.start
                    ORDER BY m.requested_at DESC LIMIT 1
                ), (
                    SELECT m.requested_at + 86400001 FROM messages AS m
                    WHERE m.requested_at / 86400000 = t.start / 86400000 - 1 AND m.number = t.number
                        AND m.requested_at >= t.start - 86400000
                    ORDER BY m.requested_at DESC LIMIT 1
                ), t.start
            )),
            coalesce(
                (
                    SELECT m.requested_at - 1 FROM messages AS m
                    WHERE m.requested_at / 86400000 = t.start / 86400000 AND m.number = t.number
                        AND m.requested_at >= t.start AND m.requested_at < t.start + 3600000
                    ORDER BY m.requested_at LIMIT 1
                ), t.start + 3599999
            )
        )::number_hour
        FROM unnest(hours) AS t
    );
END $$;

CREATE FUNCTION note_matched(hours number_hour[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM unmatched_hours AS u USING (
        SELECT u.place FROM unnest(hours) AS t CROSS JOIN LATERAL (
            SELECT ctid AS place FROM unmatched_hours AS u
            WHERE u.bucket = number_bucket(t.number) AND u.account = t.account AND u.number = t.number AND u.start = t.start
            OFFSET 0
        ) AS u
        WHERE (
            SELECT 1 FROM number_conversions AS c
            WHERE c.bucket = number_bucket(t.number) AND c.account = t.account AND c.number = t.number
                AND c.conversion_time BETWEEN t.first AND t.last
            LIMIT 1
        ) IS NULL
    ) AS matched WHERE u.ctid = matched.place;
END $$;

CREATE FUNCTION note_unmatched(hours number_hour[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unmatched_hours
    SELECT number_bucket(t.number), t.account, t.number, t.start FROM unnest(hours) AS t
    WHERE (
        SELECT 1 FROM number_conversions AS c
        WHERE c.bucket = number_bucket(t.number) AND c.account = t.account AND c.number = t.number
            AND c.conversion_time BETWEEN t.first AND t.last
        LIMIT 1
    ) IS NOT NULL
    ON CONFLICT DO NOTHING;
END $$;

-- name: touch_hours
INSERT INTO touched_hours
SELECT * FROM unnest(number_hours(
    ARRAY(SELECT ROW(p.*)::place FROM touched_places AS p),
    ARRAY(SELECT ROW(c.*)::report FROM batch AS c WHERE kind = 2 AND message_id IS NULL)
))
ON CONFLICT DO NOTHING;

-- name: find_unexplained
UPDATE touched_hours AS t SET first = u.first, last = u.last
FROM unnest(find_unexplained(ARRAY(SELECT ROW(h.*)::number_hour FROM touched_hours AS h))) AS u
WHERE t.account = u.account AND t.number = u.number AND t.start = u.start;

-- name: note_matched
SELECT note_matched(ARRAY(SELECT ROW(h.*)::number_hour FROM touched_hours AS h));

-- name: note_unmatched
SELECT note_unmatched(ARRAY(SELECT ROW(h.*)::number_hour FROM touched_hours AS h));

-- name: forget_hours
DELETE FROM touched_hours;

-- name: touch_old_hours
INSERT INTO touched_hours (account, number, start)
SELECT account, number, start FROM unmatched_hours WHERE start < :unmatched_before;

-- name: drop_unmatched_numbers
DELETE FROM number_conversions AS c USING (
    SELECT c.place FROM touched_hours AS t CROSS JOIN LATERAL (
        SELECT ctid AS place FROM number_conversions AS c
        WHERE c.bucket = number_bucket(t.number) AND c.account = t.account AND c.number = t.number
            AND c.conversion_time >= t.first AND c.conversion_time <= least(t.last, :unmatched_before - 1)
        OFFSET 0
    ) AS c
) AS dropped WHERE c.ctid = dropped.place;
