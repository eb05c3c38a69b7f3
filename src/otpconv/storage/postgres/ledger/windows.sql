-- The sums of the rollups of a window. windows.py puts their statements together of these parts. Values are in scalar
-- subqueries where PostgreSQL would expect another number of rows if it knew them: so it finds that a plan for all values
-- is as good, and keeps it. To plan 45 sums takes longer than to add up an hour.

-- name: combinations
-- The combinations of some days, each once with the number of its group of ids; then all ids in their order with these
-- numbers. The days of a window repeat the same few combinations.
WITH combinations AS MATERIALIZED (
    SELECT row_number() OVER () AS number, * FROM (
        SELECT {dimension: $dimension}, array_agg(id) AS ids FROM dimensions
        WHERE bucket = 0 AND account = (SELECT CAST(:account AS integer))
            AND day BETWEEN (SELECT CAST(:first AS integer)) AND (SELECT CAST(:last AS integer))
        GROUP BY {dimension: $dimension}
    ) AS c
)
SELECT number, {dimension: $dimension}, NULL AS ids, NULL AS numbers FROM combinations
UNION ALL
SELECT 0, {dimension: ''}, array_agg(id ORDER BY id)::text, array_agg(number ORDER BY id)::text
FROM (SELECT number, unnest(ids) AS id FROM combinations) AS c
ORDER BY number;

-- name: slot
r.start / CAST(:step AS bigint) * CAST(:step AS bigint)

-- name: group
-- Searching the ids takes less than a join, and can't be planned wrongly: whatever PostgreSQL expects of a window, it reads
-- the rollups once and adds them up at once.
(CAST(:groups AS integer[]))[(CAST(:numbers AS integer[]))[width_bucket(dimensions, CAST(:ids AS integer[]))]]

-- name: counts
{count: sum(r.$count)}, {bin: sum(r.d$bin)}

-- name: tallies
{count: sum(r.$count)}

-- name: costs
r.currency, sum(r.messages)::bigint, sum(r.micros)::bigint

-- name: rollups
unnest(
    (SELECT CAST(:grains AS integer[])), (SELECT CAST(:starts AS bigint[])), (SELECT CAST(:ends AS bigint[]))
) AS span (grain, first, until) CROSS JOIN LATERAL (
    SELECT * FROM rollups
    WHERE bucket = 0 AND writer = 1 AND grain = span.grain AND account = (SELECT CAST(:account AS integer))
        AND start >= span.first AND start < span.until

-- name: cost_rollups
unnest(
    (SELECT CAST(:grains AS integer[])), (SELECT CAST(:starts AS bigint[])), (SELECT CAST(:ends AS bigint[]))
) AS span (grain, first, until) CROSS JOIN LATERAL (
    SELECT * FROM cost_rollups
    WHERE bucket = 0 AND writer = 1 AND grain = span.grain AND account = (SELECT CAST(:account AS integer))
        AND start >= span.first AND start < span.until
