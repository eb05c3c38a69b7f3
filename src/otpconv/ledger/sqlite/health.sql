-- What `otpconv doctor` asks. Each statement sees one state of the file, however busy the applier is.

-- name: integrity
PRAGMA integrity_check(5);

-- name: head
SELECT coalesce(max(seq), 0) FROM batches;

-- name: cursor
SELECT cursor FROM progress;

-- name: messages
SELECT count(*) FROM messages WHERE requested_at IS NOT NULL;

-- name: wrong_days
WITH recount AS (
    SELECT account, requested_at / 86400000 * 86400000 AS start, dimensions,
        count(*) AS requested, count(verified_at) AS verified
    FROM messages WHERE requested_at IS NOT NULL
    GROUP BY 1, 2, 3
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM rollups_day))
    + (SELECT count(*) FROM (SELECT * FROM rollups_day EXCEPT SELECT * FROM recount));

-- name: wrong_hours
WITH recount AS (
    SELECT account, requested_at / 3600000 * 3600000 AS start, dimensions,
        count(*) AS requested, count(verified_at) AS verified
    FROM messages WHERE requested_at IS NOT NULL
    GROUP BY 1, 2, 3
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM rollups_hour))
    + (SELECT count(*) FROM (SELECT * FROM rollups_hour EXCEPT SELECT * FROM recount));

-- name: wrong_minutes
WITH recount AS (
    SELECT account, requested_at / 60000 * 60000 AS start, dimensions,
        count(*) AS requested, count(verified_at) AS verified
    FROM messages WHERE requested_at >= (SELECT minutes_from FROM progress)
    GROUP BY 1, 2, 3
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM rollups_minute))
    + (SELECT count(*) FROM (SELECT * FROM rollups_minute EXCEPT SELECT * FROM recount));

-- name: unmatched
SELECT
    (SELECT count(*) FROM messages WHERE requested_at IS NULL)
    + (
        SELECT count(*) FROM (SELECT DISTINCT account, number FROM number_conversions AS c WHERE NOT EXISTS (
            SELECT 1 FROM messages AS m
            WHERE m.requested_at / 86400000 IN (c.conversion_time / 86400000, c.conversion_time / 86400000 - 1)
                AND m.number = c.number
                AND m.requested_at BETWEEN c.conversion_time - 86400000 AND c.conversion_time
        ))
    );
