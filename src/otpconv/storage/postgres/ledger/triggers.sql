-- How the rollups follow the messages. Triggers write down what each statement changes: they add what the messages
-- contribute to the counts after it, and subtract what they contributed before. At the end of the batch, in the same
-- transaction, the sums are added to the rollups. `changes` and `touched_sessions` are temporary tables of the applier.

-- name: triggers_schema
CREATE FUNCTION note_inserted_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes
    SELECT account, requested_at / 60000 * 60000 AS minute, dimensions, count(*), sum(verified),
        count(*) FILTER (WHERE attempt = 1), count(*) FILTER (WHERE attempt = 1 AND verified = 1), count(session),
        count(*) FILTER (WHERE session > 0 OR session = 0 AND verified = 1), sum(reported), delay_bin, count(*)
    FROM changed_rows WHERE requested_at IS NOT NULL GROUP BY account, minute, dimensions, delay_bin;
    INSERT INTO unmatched AS u
    SELECT 0, account, count(*), 0 FROM changed_rows WHERE requested_at IS NULL GROUP BY account
    ON CONFLICT (bucket, account) DO UPDATE SET messages = u.messages + excluded.messages;
    INSERT INTO touched_sessions
    SELECT DISTINCT account, session_id, 0 FROM changed_rows WHERE session_id <> ''
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

-- The planner does not know the size of a batch when it keeps a plan; a nested loop would compare each row with each.
CREATE FUNCTION note_updated_messages() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO changes
    SELECT account, minute, dimensions, sum(sign), sum(sign * verified), sum(sign) FILTER (WHERE attempt = 1),
        sum(sign * verified) FILTER (WHERE attempt = 1), sum(sign) FILTER (WHERE session IS NOT NULL),
        sum(sign) FILTER (WHERE session > 0 OR session = 0 AND verified = 1), sum(sign * reported), delay_bin, sum(sign)
    FROM (
        SELECT account, requested_at / 60000 * 60000 AS minute, dimensions, verified, attempt, session, reported,
            delay_bin, -1 AS sign
        FROM old_rows WHERE requested_at IS NOT NULL
        UNION ALL
        SELECT account, requested_at / 60000 * 60000 AS minute, dimensions, verified, attempt, session, reported,
            delay_bin, 1 AS sign
        FROM changed_rows WHERE requested_at IS NOT NULL
    ) AS c GROUP BY account, minute, dimensions, delay_bin;
    UPDATE unmatched AS u SET messages = u.messages - c.matched FROM (
        SELECT account, sum(matched) AS matched FROM (
            SELECT account, 1 AS matched FROM old_rows WHERE requested_at IS NULL
            UNION ALL
            SELECT account, -1 FROM changed_rows WHERE requested_at IS NULL
        ) AS m GROUP BY account HAVING sum(matched) <> 0
    ) AS c WHERE u.bucket = 0 AND u.account = c.account;
    -- Only the later messages of a session matter here: whether the first message is verified is in its own row.
    INSERT INTO touched_sessions AS t
    SELECT account, session_id, sum(more) FROM (
        SELECT part.* FROM old_rows AS o JOIN changed_rows AS n ON n.id = o.id CROSS JOIN LATERAL (VALUES
            (o.account, o.session_id, CASE WHEN o.session IS NULL THEN -o.verified ELSE o.session END),
            (n.account, n.session_id, CASE WHEN n.session IS NULL THEN n.verified ELSE -n.session END)
        ) AS part (account, session_id, more)
        WHERE (o.session_id <> '' OR n.session_id <> '') AND (
            o.session_id IS DISTINCT FROM n.session_id OR o.requested_at IS DISTINCT FROM n.requested_at
            OR n.session IS NULL AND n.session_id <> '' AND o.verified <> n.verified
        )
    ) AS c WHERE session_id <> '' GROUP BY account, session_id
    ON CONFLICT (account, session_id) DO UPDATE SET more = t.more + excluded.more;
    RETURN NULL;
END $$;

-- Only an erasure deletes a message that was requested.
CREATE FUNCTION note_deleted_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes
    SELECT account, requested_at / 60000 * 60000 AS minute, dimensions, -count(*), -sum(verified),
        -count(*) FILTER (WHERE attempt = 1), -count(*) FILTER (WHERE attempt = 1 AND verified = 1), -count(session),
        -count(*) FILTER (WHERE session > 0 OR session = 0 AND verified = 1), -sum(reported), delay_bin, -count(*)
    FROM old_rows WHERE requested_at IS NOT NULL GROUP BY account, minute, dimensions, delay_bin;
    UPDATE unmatched AS u SET messages = u.messages - c.dropped
    FROM (SELECT account, count(*) AS dropped FROM old_rows WHERE requested_at IS NULL GROUP BY account) AS c
    WHERE u.bucket = 0 AND u.account = c.account;
    INSERT INTO touched_sessions AS t
    SELECT account, session_id, sum(CASE WHEN session IS NULL THEN -verified ELSE session END)
    FROM old_rows WHERE session_id <> '' GROUP BY account, session_id
    ON CONFLICT (account, session_id) DO UPDATE SET more = t.more + excluded.more;
    RETURN NULL;
END $$;

CREATE FUNCTION note_unmatched_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unmatched AS u
    SELECT 0, account, 0, count(*) FROM (
        SELECT n.account, n.number FROM changed_rows AS n GROUP BY n.account, n.number
        HAVING count(*) = (
            SELECT count(*) FROM unmatched_hours AS h
            WHERE h.bucket = number_bucket(n.number) AND h.account = n.account AND h.number = n.number
        )
    ) AS c GROUP BY account
    ON CONFLICT (bucket, account) DO UPDATE SET numbers = u.numbers + excluded.numbers;
    RETURN NULL;
END $$;

CREATE FUNCTION note_matched_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE unmatched AS u SET numbers = u.numbers - c.matched FROM (
        SELECT account, count(*) AS matched FROM (
            SELECT DISTINCT o.account, o.number FROM old_rows AS o WHERE NOT EXISTS (
                SELECT 1 FROM unmatched_hours AS h
                WHERE h.bucket = number_bucket(o.number) AND h.account = o.account AND h.number = o.number
            )
        ) AS gone GROUP BY account
    ) AS c WHERE u.bucket = 0 AND u.account = c.account;
    RETURN NULL;
END $$;

CREATE TRIGGER inserted AFTER INSERT ON messages REFERENCING NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_inserted_messages();
CREATE TRIGGER updated AFTER UPDATE ON messages REFERENCING OLD TABLE AS old_rows NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_updated_messages();
CREATE TRIGGER deleted AFTER DELETE ON messages REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_deleted_messages();
CREATE TRIGGER inserted AFTER INSERT ON unmatched_hours REFERENCING NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_unmatched_numbers();
CREATE TRIGGER deleted AFTER DELETE ON unmatched_hours REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_matched_numbers();
