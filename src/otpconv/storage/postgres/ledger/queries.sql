-- The questions that the ledger answers. All times are milliseconds since the Unix epoch, UTC.

-- name: cursor
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;

-- name: states
-- One row for all messages.
SELECT coalesce(json_object_agg(m.message_id, m.state), '{}')::text
FROM unnest(CAST(:buckets AS smallint[]), CAST(:message_ids AS text[])) AS ids (bucket, message_id)
    JOIN message_states AS m ON m.bucket = ids.bucket AND m.account = :account AND m.message_id = ids.message_id;

-- name: outlines
-- Rows of plain columns, by the place of the message's id in the list: to make JSON takes PostgreSQL as long as to find them.
SELECT ids.place, m.requested_at, encode(m.number, 'hex'),
    m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
FROM unnest(CAST(:buckets AS smallint[]), CAST(:message_ids AS text[])) WITH ORDINALITY AS ids (bucket, message_id, place)
    JOIN messages AS m ON m.bucket = ids.bucket AND m.account = :account AND m.message_id = ids.message_id;

-- name: message
SELECT message_id, state::text, verified_at, reported FROM message_states
WHERE bucket = :bucket AND account = :account AND message_id = :message_id;

-- name: all_messages
SELECT message_id, state::text, verified_at, reported FROM message_states WHERE account = :account ORDER BY id;

-- name: part_before
-- Where the next part of the ledger before :before begins, :read ids long. Where there is a gap in the ids, the part ends
-- before it.
SELECT max(id) + 1 - :read FROM messages WHERE id < :before;

-- name: recorded
SELECT id, message_id, state::text, verified_at, reported FROM message_states
WHERE id >= :first AND id < :before AND account = :account AND requested_at >= :start AND requested_at < :end
ORDER BY id DESC LIMIT :most;

-- name: by_number
-- For each conversion known by number alone: the message that it is about, and whether the ledger has it already.
SELECT c.n::integer,
    (
        SELECT s.state FROM message_states AS s WHERE s.account = c.account AND s.id = coalesce(
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
    )::text,
    EXISTS (
        SELECT 1 FROM number_conversions AS k
        WHERE k.bucket = number_bucket(c.number) AND k.account = c.account AND k.number = c.number
            AND k.delivered = c.delivered AND k.conversion_time = c.at
    )
FROM unnest(
    CAST(:accounts AS integer[]), CAST(:numbers AS bytea[]), CAST(:times AS bigint[]), CAST(:delivered AS boolean[])
) WITH ORDINALITY AS c (account, number, at, delivered, n);

-- name: folded
SELECT coalesce(sum(r.requested), 0)::bigint
FROM dimensions AS d JOIN rollups AS r
    ON r.bucket = 0 AND r.writer = 1 AND r.grain = 86400000 AND r.account = d.account
    AND r.start = d.day * 86400000::bigint AND r.dimensions = d.id
WHERE d.account = :account AND d.folded AND d.day BETWEEN :start / 86400000 AND (:end - 1) / 86400000;

-- name: counts
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
SELECT s.slot, {dimension: g.$dimension},
    {count: s.$count}
FROM (
    SELECT CASE WHEN CAST(:step AS bigint) IS NULL THEN 0 ELSE r.start / CAST(:step AS bigint) * CAST(:step AS bigint)
        END AS slot,
        n.number,
            {count: sum(r.$count) AS $count}
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

-- name: routes
WITH own AS MATERIALIZED (
    SELECT provider, country, requested, verified FROM routes WHERE bucket = 0 AND account = :account AND requested > 0
), largest AS MATERIALIZED (
    SELECT * FROM own ORDER BY requested DESC, provider, country LIMIT :most
)
SELECT * FROM (
    SELECT 0 AS part, provider, country, requested, verified FROM largest
    UNION ALL
    SELECT 1, '(other)', '(other)', whole.requested - coalesce(part.requested, 0),
        whole.verified - coalesce(part.verified, 0)
    FROM (SELECT sum(requested)::bigint AS requested, sum(verified)::bigint AS verified FROM own) AS whole
        CROSS JOIN (SELECT sum(requested)::bigint AS requested, sum(verified)::bigint AS verified FROM largest) AS part
    WHERE whole.requested > coalesce(part.requested, 0)
) AS r ORDER BY part, requested DESC, provider, country;

-- name: unmatched
SELECT coalesce((SELECT messages + numbers FROM unmatched WHERE bucket = 0 AND account = :account), 0);

-- name: minutes_from
SELECT minutes_from FROM horizons WHERE bucket = 0;

-- name: messages_from
SELECT messages_from FROM horizons WHERE bucket = 0;

-- name: self_reported
-- The newest :most of the window, newest first.
SELECT report_time, rate FROM self_reported_rates
WHERE bucket = 0 AND account = :account AND report_time >= :start AND report_time < :end
ORDER BY report_time DESC, rate DESC LIMIT :most;

-- name: count_self_reported
SELECT count(*) FROM (
    SELECT 1 FROM self_reported_rates
    WHERE bucket = 0 AND account = :account AND report_time >= :start AND report_time < :end LIMIT :most
) AS r;
