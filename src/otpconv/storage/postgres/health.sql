-- The checks of `otpconv doctor`. Each statement sees one state of the database, even while the applier writes.

-- name: server
SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('synchronous_commit');

-- name: lag
SELECT (SELECT last FROM writers WHERE bucket = 0 AND writer = 1)
    - (SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1);

-- name: messages
SELECT count(*) FROM messages WHERE requested_at IS NOT NULL;

-- name: wrong_rollups
-- A session is counted with its first message. It is verified if any of its messages is verified.
WITH sessions AS (
    SELECT id,
        (row_number() OVER (PARTITION BY account, session_id ORDER BY requested_at, message_id) = 1)::integer AS first,
        max(verified) OVER (PARTITION BY account, session_id) AS verified
    FROM messages WHERE session_id <> ''
), counted AS (
    SELECT account, requested_at, dimensions, m.verified, (attempt = 1)::integer AS first, reported,
        coalesce(s.first, 0) AS session, coalesce(s.first * s.verified, 0) AS session_verified,
        coalesce(receipt > 0, false)::integer AS receipted, coalesce(receipt = 6, false)::integer AS delivered, delay_bin
    FROM messages AS m LEFT JOIN sessions AS s ON s.id = m.id
    WHERE CASE CAST(:grain AS bigint)
        WHEN 60000 THEN requested_at >= (SELECT minutes_from FROM horizons)
        WHEN 900000 THEN requested_at < (SELECT minutes_from FROM horizons)
        ELSE requested_at IS NOT NULL
    END
), known AS (
    SELECT account, requested_at / CAST(:grain AS bigint) * CAST(:grain AS bigint) AS start, dimensions,
        count(*) AS requested, sum(verified) AS verified, sum(first) AS first_requested,
        sum(first * verified) AS first_verified, sum(session) AS sessions, sum(session_verified) AS sessions_verified,
        sum(reported) AS reported, sum(receipted) AS receipted, sum(delivered) AS delivered,
        sum(delivered * verified) AS delivered_verified,
        {bin: count(*) FILTER (WHERE delay_bin = $bin) AS d$bin}
    FROM counted GROUP BY account, start, dimensions
    UNION ALL
    SELECT account, start / CAST(:grain AS bigint) * CAST(:grain AS bigint), dimensions,
        {count: $count},
        {bin: d$bin}
    FROM kept_counts
    WHERE CASE CAST(:grain AS bigint)
        WHEN 60000 THEN start >= (SELECT minutes_from FROM horizons)
        WHEN 900000 THEN start < (SELECT minutes_from FROM horizons)
        ELSE true
    END
), recount AS (
    SELECT CAST(:grain AS integer) AS grain, account, start, dimensions,
        {count: sum($count)},
        {bin: sum(d$bin)}
    FROM known GROUP BY account, start, dimensions
), held AS (
    SELECT grain, account, start, dimensions, {count: $count::numeric}, {bin: d$bin::numeric}
    FROM rollups WHERE bucket = 0 AND writer = 1 AND grain = :grain
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held) AS missing)
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount) AS surplus);

-- name: wrong_costs
WITH known AS (
    SELECT account, requested_at AS at, dimensions, currency, 1 AS messages, price AS micros
    FROM messages WHERE price IS NOT NULL
    UNION ALL
    SELECT account, start, dimensions, currency, messages, micros FROM kept_costs
), recount AS (
    SELECT account, at / CAST(:grain AS bigint) * CAST(:grain AS bigint) AS start, dimensions, currency,
        sum(messages) AS messages, sum(micros) AS micros
    FROM known
    WHERE CASE CAST(:grain AS bigint)
        WHEN 60000 THEN at >= (SELECT minutes_from FROM horizons)
        WHEN 900000 THEN at < (SELECT minutes_from FROM horizons)
        ELSE true
    END
    GROUP BY 1, 2, 3, 4
), held AS (
    SELECT account, start, dimensions, currency, messages::numeric, micros::numeric
    FROM cost_rollups WHERE bucket = 0 AND writer = 1 AND grain = :grain
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held) AS missing)
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount) AS surplus);

-- name: wrong_ranges
WITH known AS (
    SELECT m.account, m.requested_at / 3600000 * 3600000 AS start, m.number_range, d.country, d.provider,
        1 AS requested, m.verified
    FROM messages AS m JOIN dimensions AS d ON d.id = m.dimensions
    WHERE m.number_range <> '' AND m.requested_at >= (SELECT ranges_from FROM horizons)
    UNION ALL
    SELECT account, start, number_range, country, provider, requested, verified FROM kept_ranges
), recount AS (
    SELECT k.account, k.start, coalesce(left(k.number_range, l.length), k.number_range) AS number_range, k.country,
        k.provider, sum(k.requested) AS requested, sum(k.verified) AS verified
    FROM known AS k LEFT JOIN range_lengths AS l
        ON l.bucket = 0 AND l.account = k.account AND l.day = k.start / 86400000 AND l.country = k.country
    GROUP BY 1, 2, 3, 4, 5
), held AS (
    SELECT account, start, number_range, country, provider, requested::bigint, verified::bigint FROM range_rollups
    WHERE bucket = 0
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held) AS missing)
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount) AS surplus);

-- name: wrong_receipts
-- Messages that do not have what their receipts say. Of those that name one id of a vendor, the first have its receipts.
WITH ranked AS (
    SELECT account, coalesce(vendor_message_id, message_id) AS named, receipt, price, currency,
        vendor_message_id IS NULL OR row_number() OVER (
            PARTITION BY account, vendor_message_id ORDER BY requested_at, message_id
        ) <= 10 AS has
    FROM messages WHERE requested_at IS NOT NULL
)
SELECT count(*) FROM ranked AS m LEFT JOIN receipts AS r
    ON m.has AND r.account = m.account AND r.vendor_message_id = m.named
WHERE (m.receipt, m.price, m.currency) IS DISTINCT FROM (r.status, r.price, r.currency);

-- name: unmatched
SELECT coalesce(sum(messages + numbers), 0)::bigint FROM unmatched;

-- name: wrong_unmatched
WITH recount AS (
    SELECT account, sum(messages) AS messages, sum(numbers) AS numbers
    FROM (
        SELECT account, count(*) AS messages, 0 AS numbers FROM messages WHERE requested_at IS NULL GROUP BY account
        UNION ALL
        SELECT account, 0, count(DISTINCT number) FROM number_conversions AS c
        WHERE NOT EXISTS (
            SELECT 1 FROM messages AS m
            WHERE m.requested_at / 86400000 IN (c.conversion_time / 86400000, c.conversion_time / 86400000 - 1)
                AND m.number = c.number
                AND m.requested_at BETWEEN c.conversion_time - 86400000 AND c.conversion_time
        )
        GROUP BY account
    ) AS c
    GROUP BY account
), held AS (
    SELECT account, messages, numbers FROM unmatched WHERE messages <> 0 OR numbers <> 0
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held) AS missing)
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount) AS surplus);

-- name: wrong_routes
WITH recount AS (
    SELECT k.account, d.provider, d.country, sum(k.requested) AS requested, sum(k.verified) AS verified
    FROM (
        SELECT account, dimensions, 1 AS requested, verified FROM messages WHERE requested_at IS NOT NULL
        UNION ALL
        SELECT account, dimensions, requested, verified FROM kept_counts
    ) AS k JOIN dimensions AS d ON d.id = k.dimensions
    GROUP BY k.account, d.provider, d.country
), held AS (
    SELECT account, provider, country, requested, verified FROM routes WHERE requested > 0
)
SELECT
    (SELECT count(*) FROM (SELECT * FROM recount EXCEPT SELECT * FROM held) AS missing)
    + (SELECT count(*) FROM (SELECT * FROM held EXCEPT SELECT * FROM recount) AS surplus);

-- name: folded
SELECT coalesce(sum(r.requested), 0)
FROM dimensions AS d JOIN rollups AS r
    ON r.grain = 86400000 AND r.account = d.account AND r.bucket = 0 AND r.writer = 1 AND r.start = d.day * 86400000::bigint AND r.dimensions = d.id
WHERE d.folded;
