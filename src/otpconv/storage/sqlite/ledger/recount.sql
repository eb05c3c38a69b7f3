-- Counts of the ledger that differ from a recount. Each statement returns how many rows do.

-- name: wrong_rollups
-- Rollups by minute or by quarter of an hour, with the messages. A session is counted with its first message. It is
-- verified if any of its messages is verified.
WITH sessions AS (
    SELECT id,
        row_number() OVER (PARTITION BY account, session_id ORDER BY requested_at, message_id) = 1 AS first,
        max(verified) OVER (PARTITION BY account, session_id) AS verified
    FROM messages WHERE session_id <> ''
), counted AS (
    SELECT account, requested_at, dimensions, m.verified, attempt = 1 AS first, reported,
        coalesce(s.first, 0) AS session, coalesce(s.first AND s.verified, 0) AS session_verified,
        coalesce(receipt > 0, 0) AS receipted, receipt IS 6 AS delivered, delay_bin
    FROM messages AS m LEFT JOIN sessions AS s ON s.id = m.id
    WHERE CASE :grain
        WHEN 60000 THEN requested_at >= (SELECT minutes_from FROM progress)
        ELSE requested_at < (SELECT minutes_from FROM progress)
    END
), known AS (
    SELECT account, requested_at / :grain * :grain AS start, dimensions,
        count(*) AS requested, sum(verified) AS verified, sum(first) AS first_requested,
        sum(first AND verified) AS first_verified, sum(session) AS sessions, sum(session_verified) AS sessions_verified,
        sum(reported) AS reported, sum(receipted) AS receipted, sum(delivered) AS delivered,
        sum(delivered AND verified) AS delivered_verified,
        {bin: count(*) FILTER (WHERE delay_bin = $bin) AS d$bin}
    FROM counted GROUP BY account, start, dimensions
    UNION ALL
    SELECT account, start / :grain * :grain, dimensions,
        {count: $count},
        {bin: d$bin}
    FROM kept_counts
    WHERE CASE :grain
        WHEN 60000 THEN start >= (SELECT minutes_from FROM progress)
        ELSE start < (SELECT minutes_from FROM progress)
    END
), recount AS (
    SELECT :grain, account, start, dimensions,
        {count: sum($count)},
        {bin: sum(d$bin)}
    FROM known GROUP BY account, start, dimensions
), held AS (
    SELECT * FROM rollups WHERE grain = :grain
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held))
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount));

-- name: wrong_sums
-- Rollups by hour, which are the sums of those by minute and by quarter of an hour; or rollups by day, which are the sums
-- of those by hour.
WITH recount AS (
    SELECT :grain, account, start / :grain * :grain AS slot, dimensions,
        {count: sum($count)},
        {bin: sum(d$bin)}
    FROM rollups WHERE grain IN (:finer, :finest) GROUP BY account, slot, dimensions
), held AS (
    SELECT * FROM rollups WHERE grain = :grain
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held))
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount));

-- name: wrong_costs
-- Costs by minute or by quarter of an hour, with the prices of the messages.
WITH known AS (
    SELECT account, requested_at AS at, dimensions, currency, 1 AS messages, price AS micros
    FROM messages WHERE price IS NOT NULL
    UNION ALL
    SELECT account, start, dimensions, currency, messages, micros FROM kept_costs
), recount AS (
    SELECT :grain, account, at / :grain * :grain AS start, dimensions, currency, sum(messages), sum(micros)
    FROM known
    WHERE CASE :grain
        WHEN 60000 THEN at >= (SELECT minutes_from FROM progress)
        ELSE at < (SELECT minutes_from FROM progress)
    END
    GROUP BY account, start, dimensions, currency
), held AS (
    SELECT * FROM cost_rollups WHERE grain = :grain
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held))
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount));

-- name: wrong_cost_sums
WITH recount AS (
    SELECT :grain, account, start / :grain * :grain AS slot, dimensions, currency, sum(messages), sum(micros)
    FROM cost_rollups WHERE grain IN (:finer, :finest) GROUP BY account, slot, dimensions, currency
), held AS (
    SELECT * FROM cost_rollups WHERE grain = :grain
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held))
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount));

-- name: wrong_ranges
WITH known AS (
    SELECT m.account, m.requested_at / 3600000 * 3600000 AS start, m.number_range, d.country, d.provider,
        1 AS requested, m.verified
    FROM messages AS m CROSS JOIN dimensions AS d ON d.id = m.dimensions
    WHERE m.number_range <> '' AND m.requested_at >= (SELECT ranges_from FROM progress)
    UNION ALL
    SELECT account, start, number_range, country, provider, requested, verified FROM kept_ranges
), recount AS (
    SELECT k.account, k.start, coalesce(substr(k.number_range, 1, l.length), k.number_range) AS counted, k.country,
        k.provider, sum(k.requested), sum(k.verified)
    FROM known AS k LEFT JOIN range_lengths AS l
        ON l.account = k.account AND l.day = k.start / 86400000 AND l.country = k.country
    GROUP BY k.account, k.start, counted, k.country, k.provider
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM range_rollups))
    + (SELECT count(*) FROM (SELECT * FROM range_rollups EXCEPT SELECT * FROM recount));

-- name: wrong_receipts
-- Messages that do not have what their receipts say. Of those that name one id of a vendor, the first have its receipts.
WITH ranked AS (
    SELECT id, account, coalesce(vendor_message_id, message_id) AS named, receipt, price, currency,
        vendor_message_id IS NULL OR {shared: $shared} >= row_number() OVER (
            PARTITION BY account, vendor_message_id ORDER BY requested_at, message_id
        ) AS has
    FROM messages WHERE requested_at IS NOT NULL
)
SELECT count(*) FROM ranked AS m LEFT JOIN receipts AS r
    ON m.has AND r.account = m.account AND r.vendor_message_id = m.named
WHERE (m.receipt, m.price, m.currency) IS NOT (r.status, r.price, r.currency);

-- name: wrong_routes
WITH recount AS (
    SELECT k.account, d.provider, d.country, sum(k.requested), sum(k.verified)
    FROM (
        SELECT account, dimensions, 1 AS requested, verified FROM messages WHERE requested_at IS NOT NULL
        UNION ALL
        SELECT account, dimensions, requested, verified FROM kept_counts
    ) AS k CROSS JOIN dimensions AS d ON d.id = k.dimensions
    GROUP BY k.account, d.provider, d.country
), held AS (
    SELECT * FROM routes WHERE requested > 0
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held))
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount));

-- name: wrong_unmatched
WITH recount AS (
    SELECT account, sum(messages), sum(numbers)
    FROM (
        SELECT account, count(*) AS messages, 0 AS numbers FROM messages WHERE requested_at IS NULL GROUP BY account
        UNION ALL
        SELECT account, 0, count(DISTINCT number) FROM number_conversions AS c
        WHERE NOT EXISTS (
            SELECT 1 FROM messages AS m INDEXED BY messages_by_number
            WHERE m.requested_at / 86400000 IN (c.conversion_time / 86400000, c.conversion_time / 86400000 - 1)
                AND m.number = c.number
                AND m.requested_at BETWEEN c.conversion_time - 86400000 AND c.conversion_time
        )
        GROUP BY account
    )
    GROUP BY account
), held AS (
    SELECT * FROM unmatched WHERE messages <> 0 OR numbers <> 0
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held))
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount));
