-- How the rollups by number range follow the messages. They take each change at once: most messages of a batch have a range
-- of their own, so sums would save nothing.

-- name: ranges_schema
-- What the changes of a batch add to the rollups. `range_lengths` says where a range is counted by a shorter prefix.
CREATE TEMP VIEW range_changes AS
SELECT c.account, c.at / 3600000 * 3600000 AS start,
    coalesce(
        (
            SELECT substr(c.number_range, 1, l.length) FROM range_lengths AS l
            WHERE l.account = c.account AND l.day = c.at / 86400000 AND l.country = d.country
        ), c.number_range
    ) AS number_range, d.country, d.provider, c.requested, c.verified
FROM changes AS c CROSS JOIN dimensions AS d ON d.id = c.dimensions
WHERE c.number_range <> '' AND c.at >= (SELECT ranges_from FROM progress);

CREATE TEMP TABLE shortened_ranges (account INTEGER, day_start INTEGER, country TEXT, length INTEGER);

-- name: settle_ranges
INSERT INTO range_rollups SELECT * FROM range_changes WHERE true
ON CONFLICT DO UPDATE SET requested = requested + excluded.requested, verified = verified + excluded.verified;
DELETE FROM range_rollups WHERE requested = 0 AND (account, start, number_range, country, provider) IN (
    SELECT account, start, number_range, country, provider FROM range_changes WHERE requested < 0
);

-- name: shorten_ranges
-- An erasure can shorten ranges: [account, day, country, length]. Counts by longer prefixes move to the shorter ones.
INSERT INTO range_lengths
SELECT v.value ->> 0, v.value ->> 1, v.value ->> 2, v.value ->> 3
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][11]') AS v
WHERE b.seq = :seq AND (v.value ->> 1) >= (SELECT ranges_from / 86400000 FROM progress)
ON CONFLICT DO UPDATE SET length = min(length, excluded.length);
DELETE FROM shortened_ranges;
INSERT INTO shortened_ranges
SELECT DISTINCT v.value ->> 0, (v.value ->> 1) * 86400000, v.value ->> 2, l.length
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][11]') AS v CROSS JOIN range_lengths AS l
    ON l.account = v.value ->> 0 AND l.day = v.value ->> 1 AND l.country = v.value ->> 2
WHERE b.seq = :seq;
INSERT INTO range_rollups
SELECT r.account, r.start, substr(r.number_range, 1, s.length), r.country, r.provider, r.requested, r.verified
FROM shortened_ranges AS s CROSS JOIN range_rollups AS r
    ON r.account = s.account AND r.start >= s.day_start AND r.start < s.day_start + 86400000
    AND r.country = s.country AND length(r.number_range) > s.length
WHERE true
ON CONFLICT DO UPDATE SET requested = requested + excluded.requested, verified = verified + excluded.verified;
DELETE FROM range_rollups WHERE (account, start, number_range, country, provider) IN (
    SELECT r.account, r.start, r.number_range, r.country, r.provider
    FROM shortened_ranges AS s CROSS JOIN range_rollups AS r
        ON r.account = s.account AND r.start >= s.day_start AND r.start < s.day_start + 86400000
        AND r.country = s.country AND length(r.number_range) > s.length
);

-- name: keep_ranges
-- What an erasure keeps: [account, start, range, country, provider, requested, verified]. Runs after `shorten_ranges`.
INSERT INTO kept_ranges
SELECT k.value ->> 0, k.value ->> 1, k.value ->> 2, k.value ->> 3, k.value ->> 4, k.value ->> 5, k.value ->> 6
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][10]') AS k
WHERE b.seq = :seq AND k.value ->> 1 >= (SELECT ranges_from FROM progress)
ON CONFLICT DO UPDATE SET requested = requested + excluded.requested, verified = verified + excluded.verified;
INSERT INTO range_rollups
SELECT k.value ->> 0, k.value ->> 1, coalesce(substr(k.value ->> 2, 1, l.length), k.value ->> 2), k.value ->> 3,
    k.value ->> 4, k.value ->> 5, k.value ->> 6
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][10]') AS k LEFT JOIN range_lengths AS l
    ON l.account = k.value ->> 0 AND l.day = (k.value ->> 1) / 86400000 AND l.country = k.value ->> 3
WHERE b.seq = :seq AND k.value ->> 1 >= (SELECT ranges_from FROM progress)
ON CONFLICT DO UPDATE SET requested = requested + excluded.requested, verified = verified + excluded.verified;

-- name: drop_ranges
DELETE FROM range_rollups WHERE account IN (SELECT DISTINCT account FROM routes)
    AND start < (SELECT ranges_from FROM progress);
DELETE FROM kept_ranges WHERE account IN (SELECT DISTINCT account FROM routes)
    AND start < (SELECT ranges_from FROM progress);
DELETE FROM range_lengths WHERE day < (SELECT ranges_from / 86400000 FROM progress);
