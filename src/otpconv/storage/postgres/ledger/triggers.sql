-- How the number of numbers with unexplained conversions follows unmatched_hours.

-- name: triggers_schema
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

CREATE TRIGGER inserted AFTER INSERT ON unmatched_hours REFERENCING NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_unmatched_numbers();
CREATE TRIGGER deleted AFTER DELETE ON unmatched_hours REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_matched_numbers();
