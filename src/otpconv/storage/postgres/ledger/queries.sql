-- The questions that the ledger answers. All times are milliseconds since the Unix epoch, UTC.

-- name: cursor
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;

-- name: states
-- One row for all messages. The plan is kept while a new ledger grows: a join could read all of it, see merging.sql.
SELECT coalesce(json_object_agg(m.message_id, m.state), '{}')::text
FROM unnest(CAST(:buckets AS smallint[]), CAST(:message_ids AS text[])) AS ids (bucket, message_id)
    CROSS JOIN LATERAL (
        SELECT message_id, state FROM message_states AS m
        WHERE m.bucket = ids.bucket AND m.account = :account AND m.message_id = ids.message_id
        OFFSET 0
    ) AS m;

-- name: outlines
-- Rows of plain columns, by the place of the message's id in the list: to make JSON takes PostgreSQL as long as to find them.
SELECT ids.place, m.requested_at, encode(m.number, 'hex'),
    m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
FROM unnest(CAST(:buckets AS smallint[]), CAST(:message_ids AS text[])) WITH ORDINALITY AS ids (bucket, message_id, place)
    CROSS JOIN LATERAL (
        SELECT * FROM messages AS m
        WHERE m.bucket = ids.bucket AND m.account = :account AND m.message_id = ids.message_id
        OFFSET 0
    ) AS m;

-- name: message
SELECT message_id, state::text, verified_at, reported, receipts_of FROM message_states
WHERE bucket = :bucket AND account = :account AND message_id = :message_id;

-- name: all_messages
SELECT message_id, state::text, verified_at, reported, receipts_of FROM message_states WHERE account = :account ORDER BY id;

-- name: part_before
-- Where the next part of the ledger before :before begins, :read ids long. Where there is a gap in the ids, the part ends
-- before it.
SELECT max(id) + 1 - :read FROM messages WHERE id < :before;

-- name: recorded
SELECT id, message_id, state::text, verified_at, reported, receipts_of FROM message_states
WHERE id >= :first AND id < :before AND account = :account AND requested_at >= :start AND requested_at < :end
ORDER BY id DESC LIMIT :most;

-- name: receipts
SELECT r.vendor_message_id, ARRAY[{status: $status_at}], r.error, r.price, coalesce(r.currency, ''), r.segments
FROM unnest(CAST(:ids AS text[])) AS ids (id) CROSS JOIN LATERAL (
    SELECT * FROM receipts WHERE account = :account AND vendor_message_id = ids.id OFFSET 0
) AS r;

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
-- Values are in scalar subqueries, and each OFFSET 0 makes it a search in a key: so the plan is kept. To plan it takes longer
-- than to answer it; most days have no such combination.
SELECT coalesce(sum(r.requested), 0)::bigint
FROM (
    SELECT account, day, id FROM dimensions
    WHERE account = (SELECT CAST(:account AS integer)) AND folded
        AND day BETWEEN (SELECT CAST(:start AS bigint) / 86400000) AND (SELECT (CAST(:end AS bigint) - 1) / 86400000)
    OFFSET 0
) AS d CROSS JOIN LATERAL (
    SELECT requested FROM rollups
    WHERE bucket = 0 AND writer = 1 AND grain = 86400000 AND account = d.account
        AND start = d.day * 86400000::bigint AND dimensions = d.id
    OFFSET 0
) AS r;

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

-- name: ranges
SELECT number_range, country, provider, min(start), (sum(requested) FILTER (WHERE start >= :start))::bigint AS messages,
    (sum(verified) FILTER (WHERE start >= :start))::bigint,
    coalesce(sum(verified) FILTER (WHERE start < :start), 0)::bigint
FROM range_rollups
WHERE bucket = 0 AND account = :account AND start < :end AND (
    CAST(:countries AS text) IS NULL OR country IN (SELECT json_array_elements_text(CAST(:countries AS json)))
)
GROUP BY number_range, country, provider HAVING sum(requested) FILTER (WHERE start >= :start) > 0
ORDER BY messages DESC, number_range, country, provider LIMIT :limit;

-- name: range_lengths
-- Of a day that has too many ranges, those countries get shorter ones that have the most of them. A digit less leaves a
-- tenth of random ranges.
SELECT account, day, country, greatest(:shortest, longest - 1 - floor(log(whole::numeric / :most))::integer)
FROM (
    SELECT account, day, country, many, longest, sum(many) OVER of_day AS whole,
        avg(many) FILTER (WHERE longest > :shortest) OVER of_day AS mean
    FROM (
        SELECT account, (start / 86400000)::integer AS day, country, count(*) AS many, max(length(number_range)) AS longest
        FROM range_rollups WHERE bucket = 0 GROUP BY account, start / 86400000, country
    ) AS d
    WINDOW of_day AS (PARTITION BY account, day)
) AS d
WHERE whole > :most AND longest > :shortest AND many * 2 >= mean
ORDER BY account, day, country;

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
