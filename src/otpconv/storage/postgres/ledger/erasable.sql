-- What an erasure of some messages has to say about them. All times are milliseconds since the Unix epoch, UTC.

-- name: old_messages
-- The end of the next part of the ledger, :read ids long, and the first :most messages in it that were requested before
-- :before. It reads no further than these. Where there is a gap in the ids, the part begins after it.
WITH part AS MATERIALIZED (
    SELECT min(id) - 1 + :read AS last FROM messages WHERE id > :after
), old AS MATERIALIZED (
    SELECT id FROM messages
    WHERE id > :after AND id <= (SELECT last FROM part) AND requested_at < :before ORDER BY id LIMIT :most
)
SELECT
    (SELECT last FROM part WHERE last < (SELECT max(id) FROM messages)),
    (SELECT coalesce(json_agg(id), '[]')::text FROM old),
    (SELECT max(id) FROM old);

-- name: days_of_number
-- The days (UTC) on which a message was requested for the number, newest first. The recursion reads one day after
-- another from the index.
WITH RECURSIVE days (day) AS (
    SELECT max(requested_at / 86400000) FROM messages WHERE requested_at IS NOT NULL AND number IS NOT NULL
    UNION ALL
    SELECT (
        SELECT max(m.requested_at / 86400000) FROM messages AS m
        WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL AND m.requested_at / 86400000 < d.day
    )
    FROM days AS d WHERE d.day IS NOT NULL
)
SELECT day FROM days AS d WHERE EXISTS (
    SELECT 1 FROM messages AS m
    WHERE m.requested_at / 86400000 = d.day AND m.number = decode(:number, 'hex') AND m.requested_at IS NOT NULL
)
LIMIT :most;

-- name: messages_of_number
SELECT s.message_id, s.state::text, s.verified_at, s.reported, s.receipts_of
FROM messages AS m JOIN message_states AS s ON s.id = m.id
WHERE m.requested_at / 86400000 = :day AND m.number = decode(:number, 'hex') AND m.account = :account
    AND m.requested_at IS NOT NULL
ORDER BY m.requested_at DESC, m.message_id DESC LIMIT :most;

-- name: ids_of_number
SELECT coalesce(json_agg(id), '[]')::text FROM (
    SELECT m.id FROM messages AS m
    WHERE m.requested_at / 86400000 = :day AND m.number = decode(:number, 'hex') AND m.account = :account
        AND m.requested_at IS NOT NULL
    LIMIT :most
) AS ids;

-- name: names
SELECT m.account, m.message_id FROM (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value) AS e JOIN messages AS m ON m.id = e.value;

-- name: places
-- The conversions known by number alone that belong to the messages: each has those from its request until 24 hours later
-- or the next message of its number.
SELECT account, encode(number, 'hex'), requested_at, until FROM (
    SELECT m.account, m.number, m.requested_at, least(m.requested_at + 86400000, coalesce(
        (
            SELECT later.requested_at - 1 FROM messages AS later
            WHERE later.requested_at / 86400000 = m.requested_at / 86400000 AND later.number = m.number
                AND later.requested_at IS NOT NULL
                AND (later.requested_at, later.message_id) > (m.requested_at, m.message_id)
            ORDER BY later.requested_at, later.message_id LIMIT 1
        ), (
            SELECT later.requested_at - 1 FROM messages AS later
            WHERE later.requested_at / 86400000 = m.requested_at / 86400000 + 1 AND later.number = m.number
                AND later.requested_at <= m.requested_at + 86400000
            ORDER BY later.requested_at, later.message_id LIMIT 1
        ), m.requested_at + 86400000
    )) AS until
    FROM (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value) AS e JOIN messages AS m ON m.id = e.value
    WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL
) AS p
WHERE EXISTS (
    SELECT 1 FROM number_conversions AS c
    WHERE c.bucket = number_bucket(p.number) AND c.account = p.account AND c.number = p.number
        AND c.conversion_time BETWEEN p.requested_at AND p.until
);

-- name: fellows
-- Other messages of the sessions of the messages.
WITH ids AS MATERIALIZED (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value),
sessions AS MATERIALIZED (
    SELECT DISTINCT m.account, m.session_id FROM ids AS e JOIN messages AS m ON m.id = e.value WHERE m.session_id <> ''
)
SELECT coalesce(json_agg(id), '[]')::text FROM (
    SELECT f.id
    FROM sessions AS s JOIN messages AS f
        ON f.account = s.account AND f.session_id = s.session_id AND f.session IS NOT NULL
    WHERE f.id NOT IN (SELECT value FROM ids)
    UNION
    SELECT f.id
    FROM sessions AS s JOIN messages AS f
        ON f.account = s.account AND f.session_id = s.session_id AND f.session IS NULL
    WHERE f.session_id <> '' AND f.id NOT IN (SELECT value FROM ids)
    LIMIT :most
) AS fellows;

-- name: kept
-- What the messages contribute to the rollups, and the sessions of those that leave theirs.
WITH contributions AS (
    SELECT m.account, m.requested_at, m.dimensions, 1 AS requested, m.verified, (m.attempt = 1)::integer AS first_requested,
        (m.attempt = 1 AND m.verified = 1)::integer AS first_verified, (m.session IS NOT NULL)::integer AS sessions,
        (m.session IS NOT NULL AND (m.session > 0 OR m.verified = 1))::integer AS sessions_verified, m.reported,
        coalesce(m.receipt > 0, false)::integer AS receipted, coalesce(m.receipt = 6, false)::integer AS delivered,
        coalesce(m.receipt = 6 AND m.verified = 1, false)::integer AS delivered_verified, m.delay_bin
    FROM (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value) AS e JOIN messages AS m ON m.id = e.value
    WHERE m.requested_at IS NOT NULL
    UNION ALL
    SELECT m.account, m.requested_at, m.dimensions, 0, 0, 0, 0, 1, (m.session > 0 OR m.verified = 1)::integer, 0, 0, 0,
        0, NULL
    FROM (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:detached AS json)) AS value) AS e JOIN messages AS m ON m.id = e.value
    WHERE m.session IS NOT NULL
), rounded AS (
    SELECT *, requested_at / grain * grain AS start FROM (
        SELECT *, CASE WHEN requested_at < (SELECT minutes_from FROM horizons WHERE bucket = 0) THEN 900000 ELSE 60000 END
            AS grain
        FROM contributions
    ) AS c
)
SELECT d.account, k.start, d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key,
    {count: sum(k.$count)::bigint},
    coalesce(json_agg(json_build_array(k.delay_bin, k.messages)) FILTER (WHERE k.delay_bin IS NOT NULL), '[]')::text
FROM (
    SELECT start, dimensions, delay_bin, count(*) AS messages, {count: sum($count) AS $count}
    FROM rounded GROUP BY start, dimensions, delay_bin
) AS k JOIN dimensions AS d ON d.id = k.dimensions
GROUP BY k.start, d.id, d.account, d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key;

-- name: kept_costs
SELECT d.account, k.start, d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key,
    k.currency, k.messages, k.micros::bigint
FROM (
    SELECT requested_at / grain * grain AS start, dimensions, currency, count(*) AS messages, sum(price) AS micros
    FROM (
        SELECT m.requested_at, m.dimensions, m.currency, m.price,
            CASE WHEN m.requested_at < (SELECT minutes_from FROM horizons WHERE bucket = 0) THEN 900000 ELSE 60000 END AS grain
        FROM (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value) AS e JOIN messages AS m ON m.id = e.value
        WHERE m.price IS NOT NULL
    ) AS m
    GROUP BY requested_at / grain * grain, dimensions, currency
) AS k JOIN dimensions AS d ON d.id = k.dimensions;

-- name: kept_ranges
-- What the messages contribute to the rollups by number range.
SELECT d.account, k.start, k.number_range, d.country, d.provider, sum(k.requested)::bigint, sum(k.verified)::bigint
FROM (
    SELECT requested_at / 3600000 * 3600000 AS start, number_range, dimensions, count(*) AS requested,
        sum(verified) AS verified
    FROM (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value) AS e JOIN messages AS m ON m.id = e.value
    WHERE m.number_range <> '' AND m.requested_at >= (SELECT ranges_from FROM horizons WHERE bucket = 0)
    GROUP BY requested_at / 3600000 * 3600000, number_range, dimensions
) AS k JOIN dimensions AS d ON d.id = k.dimensions
GROUP BY d.account, k.start, k.number_range, d.country, d.provider;

-- name: receipts_of
-- The vendors' ids of the messages, unless another message has the same one. That message is only found by its bucket, which
-- the receipts have: without any, an id that is not the message's own is left out.
WITH ids AS MATERIALIZED (SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value),
named AS MATERIALIZED (
    SELECT DISTINCT n.account, n.named, coalesce(r.bucket, n.bucket) AS bucket
    FROM (
        SELECT m.account, coalesce(m.vendor_message_id, m.message_id) AS named,
            CASE WHEN coalesce(m.vendor_message_id, m.message_id) = m.message_id THEN m.bucket END AS bucket
        FROM ids AS e JOIN messages AS m ON m.id = e.value
    ) AS n LEFT JOIN LATERAL (
        SELECT bucket FROM receipts AS r WHERE r.account = n.account AND r.vendor_message_id = n.named OFFSET 0
    ) AS r ON true
)
SELECT account, named FROM named AS n
WHERE bucket IS NOT NULL AND (
    SELECT 1 FROM messages AS o
    WHERE o.account = n.account AND o.vendor_message_id = n.named AND o.id NOT IN (SELECT value FROM ids) LIMIT 1
) IS NULL AND (
    SELECT 1 FROM messages AS o
    WHERE o.bucket = n.bucket AND o.account = n.account AND o.message_id = n.named AND o.vendor_message_id IS NULL
        AND o.requested_at IS NOT NULL AND o.id NOT IN (SELECT value FROM ids) LIMIT 1
) IS NULL;
