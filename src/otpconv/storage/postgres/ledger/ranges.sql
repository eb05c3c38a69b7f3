-- How the rollups by number range follow the messages, as changes.sql does it for the counts.

-- name: ranges_schema
-- Adds what messages contribute, and the counts that erasures keep, to the routes; and what messages contribute to the
-- rollups by range. A range is counted by a shorter prefix where `range_lengths` says so. Returns whether there are any
-- messages without a request, and any with a price.
CREATE FUNCTION settle_routes(
    moved contribution[], kept change[], OUT any_unmatched boolean, OUT any_price boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    edge CONSTANT bigint := (SELECT ranges_from FROM horizons WHERE bucket = 0);
    -- Mostly no range is shortened, and then none is looked up.
    any_length CONSTANT boolean := EXISTS (SELECT FROM range_lengths WHERE bucket = 0);
    emptied range_rollups[];
BEGIN
    WITH summed AS MATERIALIZED (
        SELECT account, start, number_range, dimensions, sum(sign) AS requested, sum(sign * verified) AS verified,
            bool_or(has_price) AS has_price
        FROM (
            SELECT account, requested_at / 3600000 * 3600000 AS start, number_range, dimensions, sign, verified,
                price IS NOT NULL AS has_price
            FROM unnest(moved)
        ) AS c
        GROUP BY account, start, number_range, dimensions
    ), changed AS MATERIALIZED (
        -- A full join, which can't be a nested loop: the planner takes all arrays for short.
        SELECT c.account, c.start, c.number_range, d.country, d.provider, c.requested, c.verified
        FROM (
            SELECT account, start, number_range, dimensions, requested, verified FROM summed
            WHERE start IS NOT NULL AND (requested <> 0 OR verified <> 0)
            UNION ALL
            SELECT account, NULL, NULL, dimensions, sum(requested), sum(verified) FROM unnest(kept)
            GROUP BY account, dimensions
        ) AS c FULL JOIN (
            SELECT id, country, provider FROM dimensions
            WHERE id = ANY (ARRAY(
                SELECT dimensions FROM summed WHERE start IS NOT NULL UNION SELECT dimensions FROM unnest(kept)
            ))
        ) AS d ON d.id = c.dimensions
        WHERE coalesce(c.account, -1) >= 0
    ), written AS (
        INSERT INTO range_rollups AS r
        SELECT 0, c.account, c.start, coalesce(CASE WHEN any_length THEN (
                SELECT left(c.number_range, l.length) FROM range_lengths AS l
                WHERE l.bucket = 0 AND l.account = c.account AND l.day = c.start / 86400000 AND l.country = c.country
            ) END, c.number_range) COLLATE "C" AS counted,
            c.country, c.provider, sum(c.requested), sum(c.verified)
        FROM changed AS c WHERE c.number_range <> '' AND c.start >= edge
        GROUP BY c.account, c.start, counted, c.country, c.provider
        ON CONFLICT (bucket, account, start, number_range, country, provider) DO UPDATE SET
            requested = r.requested + excluded.requested, verified = r.verified + excluded.verified
        RETURNING r.*
    ), routed AS MATERIALIZED (
        SELECT c.*, r.place FROM (
            SELECT account, provider, country, sum(requested) AS requested, sum(verified) AS verified
            FROM changed GROUP BY account, provider, country HAVING sum(requested) <> 0 OR sum(verified) <> 0
        ) AS c LEFT JOIN LATERAL (
            SELECT ctid AS place FROM routes AS r
            WHERE r.bucket = 0 AND r.account = c.account AND r.provider = c.provider AND r.country = c.country
            OFFSET 0
        ) AS r ON true
    ), rerouted AS (
        UPDATE routes AS r SET requested = r.requested + c.requested, verified = r.verified + c.verified
        FROM routed AS c WHERE r.ctid = c.place
    ), new AS (
        INSERT INTO routes SELECT 0, account, provider, country, requested, verified FROM routed WHERE place IS NULL
    )
    SELECT bool_or(start IS NULL), bool_or(has_price),
        (SELECT array_agg(ROW(w.*)::range_rollups) FROM written AS w WHERE w.requested = 0)
    INTO any_unmatched, any_price, emptied FROM summed;
    IF emptied IS NOT NULL THEN
        DELETE FROM range_rollups AS r USING (
            SELECT r.place FROM unnest(emptied) AS c CROSS JOIN LATERAL (
                SELECT ctid AS place FROM range_rollups AS r
                WHERE r.bucket = 0 AND r.account = c.account AND r.start = c.start AND r.number_range = c.number_range
                    AND r.country = c.country AND r.provider = c.provider
                OFFSET 0
            ) AS r
        ) AS e WHERE r.ctid = e.place;
    END IF;
END $$;

-- name: shorten_ranges
-- An erasure can shorten ranges: [account, day, country, length]. Counts by longer prefixes move to the shorter ones.
INSERT INTO range_lengths AS l
SELECT 0, (v ->> 0)::integer, (v ->> 1)::integer, v ->> 2, min((v ->> 3)::integer)
FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 11) AS v
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq
    AND (v ->> 1)::integer >= (SELECT ranges_from / 86400000 FROM horizons WHERE bucket = 0)
GROUP BY 1, 2, 3, 4
ON CONFLICT (bucket, account, day, country) DO UPDATE SET length = least(l.length, excluded.length);
WITH longer AS (
    DELETE FROM range_rollups AS r USING (
        SELECT r.place, l.length FROM (
            SELECT DISTINCT (v ->> 0)::integer AS account, (v ->> 1)::integer AS day, (v ->> 2) COLLATE "C" AS country
            FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 11) AS v
            WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq
        ) AS s CROSS JOIN LATERAL (
            SELECT length FROM range_lengths AS l
            WHERE l.bucket = 0 AND l.account = s.account AND l.day = s.day AND l.country = s.country OFFSET 0
        ) AS l CROSS JOIN LATERAL (
            SELECT ctid AS place FROM range_rollups AS r
            WHERE r.bucket = 0 AND r.account = s.account AND r.start >= s.day * 86400000::bigint
                AND r.start < s.day * 86400000::bigint + 86400000 AND r.country = s.country
                AND length(r.number_range) > l.length
            OFFSET 0
        ) AS r
    ) AS s WHERE r.ctid = s.place
    RETURNING r.account, r.start, left(r.number_range, s.length) COLLATE "C" AS number_range, r.country, r.provider,
        r.requested, r.verified
)
INSERT INTO range_rollups AS r
SELECT 0, account, start, number_range, country, provider, sum(requested), sum(verified) FROM longer
GROUP BY account, start, number_range, country, provider
ON CONFLICT (bucket, account, start, number_range, country, provider) DO UPDATE SET
    requested = r.requested + excluded.requested, verified = r.verified + excluded.verified;

-- name: keep_ranges
-- What an erasure keeps: [account, start, range, country, provider, requested, verified]. Runs after `shorten_ranges`.
WITH kept AS MATERIALIZED (
    SELECT (k ->> 0)::integer AS account, (k ->> 1)::bigint AS start, (k ->> 2) COLLATE "C" AS number_range,
        (k ->> 3) COLLATE "C" AS country, (k ->> 4) COLLATE "C" AS provider, (k ->> 5)::integer AS requested,
        (k ->> 6)::integer AS verified
    FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 10) AS k
    WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq
        AND (k ->> 1)::bigint >= (SELECT ranges_from FROM horizons WHERE bucket = 0)
), noted AS (
    INSERT INTO kept_ranges AS r
    SELECT 0, account, start, number_range, country, provider, requested, verified FROM kept
    ON CONFLICT (bucket, account, start, number_range, country, provider) DO UPDATE SET
        requested = r.requested + excluded.requested, verified = r.verified + excluded.verified
)
INSERT INTO range_rollups AS r
SELECT 0, k.account, k.start, coalesce(left(k.number_range, l.length), k.number_range) AS counted, k.country, k.provider,
    sum(k.requested), sum(k.verified)
FROM kept AS k LEFT JOIN LATERAL (
    SELECT length FROM range_lengths AS l
    WHERE l.bucket = 0 AND l.account = k.account AND l.day = k.start / 86400000 AND l.country = k.country OFFSET 0
) AS l ON true
GROUP BY k.account, k.start, counted, k.country, k.provider
ON CONFLICT (bucket, account, start, number_range, country, provider) DO UPDATE SET
    requested = r.requested + excluded.requested, verified = r.verified + excluded.verified;

-- name: drop_ranges
DELETE FROM range_rollups
WHERE bucket = 0 AND account IN (SELECT DISTINCT account FROM routes)
    AND start < (SELECT ranges_from FROM horizons WHERE bucket = 0);
DELETE FROM kept_ranges
WHERE bucket = 0 AND account IN (SELECT DISTINCT account FROM routes)
    AND start < (SELECT ranges_from FROM horizons WHERE bucket = 0);
DELETE FROM range_lengths
WHERE bucket = 0 AND day < (SELECT ranges_from / 86400000 FROM horizons WHERE bucket = 0);
