-- The sums of the rollups of a window, each by one statement: `groups`, and then what it sums.

-- name: groups
-- The groups are numbered first, so that the many rollups are grouped by a number and not by texts.
WITH combinations AS MATERIALIZED (
    SELECT id, {dimension: CASE WHEN '$dimension' = ANY (CAST(:by AS text[])) THEN $dimension ELSE '' END AS $dimension}
    FROM dimensions
    WHERE bucket = 0 AND account = :account AND day BETWEEN :first_day AND :last_day
        AND (CAST(:country AS text[]) IS NULL OR country = ANY (CAST(:country AS text[])))
        AND (CAST(:carrier AS text[]) IS NULL OR carrier = ANY (CAST(:carrier AS text[])))
        AND (CAST(:provider AS text[]) IS NULL OR provider = ANY (CAST(:provider AS text[])))
        AND (CAST(:template AS text[]) IS NULL OR template = ANY (CAST(:template AS text[])))
        AND (CAST(:sender AS text[]) IS NULL OR sender = ANY (CAST(:sender AS text[])))
        AND (CAST(:channel AS text[]) IS NULL OR channel = ANY (CAST(:channel AS text[])))
        AND (CAST(:access_key AS text[]) IS NULL OR access_key = ANY (CAST(:access_key AS text[])))
), numbered AS MATERIALIZED (
    SELECT *, dense_rank() OVER (ORDER BY {dimension: $dimension}) AS number
    FROM combinations
)

-- name: counts
SELECT s.slot, {dimension: g.$dimension},
    {count: s.$count},
    {bin: s.d$bin}
FROM (
    SELECT CASE WHEN CAST(:step AS bigint) IS NULL THEN 0 ELSE r.start / CAST(:step AS bigint) * CAST(:step AS bigint)
        END AS slot,
        n.number,
            {count: sum(r.$count) AS $count},
            {bin: sum(r.d$bin) AS d$bin}
    FROM unnest(CAST(:grains AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[])) AS span (grain, first, until)
        -- OFFSET 0 makes it one search in the key per span; the planner prefers to read the whole table.
        CROSS JOIN LATERAL (
            SELECT * FROM rollups
            WHERE bucket = 0 AND writer = 1 AND grain = span.grain AND account = :account
                AND start >= span.first AND start < span.until OFFSET 0
        ) AS r
        JOIN numbered AS n ON n.id = r.dimensions
    GROUP BY slot, n.number
    LIMIT :limit
) AS s JOIN (
    SELECT DISTINCT number, {dimension: $dimension} FROM numbered
) AS g USING (number);

-- name: tallies
-- Like counts, without the delays.
SELECT s.slot, {dimension: g.$dimension},
    {count: s.$count}
FROM (
    SELECT CASE WHEN CAST(:step AS bigint) IS NULL THEN 0 ELSE r.start / CAST(:step AS bigint) * CAST(:step AS bigint)
        END AS slot,
        n.number,
            {count: sum(r.$count) AS $count}
    FROM unnest(CAST(:grains AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[])) AS span (grain, first, until)
        CROSS JOIN LATERAL (
            SELECT * FROM rollups
            WHERE bucket = 0 AND writer = 1 AND grain = span.grain AND account = :account
                AND start >= span.first AND start < span.until OFFSET 0
        ) AS r
        JOIN numbered AS n ON n.id = r.dimensions
    GROUP BY slot, n.number
    LIMIT :limit
) AS s JOIN (
    SELECT DISTINCT number, {dimension: $dimension} FROM numbered
) AS g USING (number);

-- name: costs
-- What the messages cost, by currency.
SELECT s.slot, {dimension: g.$dimension}, s.currency, s.messages::bigint, s.micros::bigint
FROM (
    SELECT CASE WHEN CAST(:step AS bigint) IS NULL THEN 0 ELSE r.start / CAST(:step AS bigint) * CAST(:step AS bigint)
        END AS slot,
        n.number, r.currency, sum(r.messages) AS messages, sum(r.micros) AS micros
    FROM unnest(CAST(:grains AS integer[]), CAST(:starts AS bigint[]), CAST(:ends AS bigint[])) AS span (grain, first, until)
        CROSS JOIN LATERAL (
            SELECT * FROM cost_rollups
            WHERE bucket = 0 AND writer = 1 AND grain = span.grain AND account = :account
                AND start >= span.first AND start < span.until OFFSET 0
        ) AS r
        JOIN numbered AS n ON n.id = r.dimensions
    GROUP BY slot, n.number, r.currency
    LIMIT :limit
) AS s JOIN (
    SELECT DISTINCT number, {dimension: $dimension} FROM numbered
) AS g USING (number);
