-- What an erasure of some messages has to say about them. All times are milliseconds since the Unix epoch, UTC.

-- name: messages_from
SELECT messages_from FROM progress;

-- name: old_messages
-- The end of the next part of the file, :read ids long, and the first :most messages in it that were requested before
-- :before. It reads no further than these. Ids are nearly dense; where a prune has left a gap, the part begins after it.
WITH part AS MATERIALIZED (
    SELECT min(id) - 1 + :read AS last FROM messages WHERE id > :after
), old AS MATERIALIZED (
    SELECT id FROM messages
    WHERE id > :after AND id <= (SELECT last FROM part) AND requested_at < :before ORDER BY id LIMIT :most
)
SELECT
    (SELECT last FROM part WHERE last < (SELECT max(id) FROM messages)),
    (SELECT json_group_array(id) FROM old),
    (SELECT max(id) FROM old);

-- name: days_of_number
-- The days (UTC) on which a message was requested for the number, newest first. The recursion reads one day after
-- another from the index.
WITH RECURSIVE days (day) AS (
    SELECT max(requested_at / 86400000) FROM messages INDEXED BY messages_by_number
    WHERE requested_at IS NOT NULL AND number IS NOT NULL
    UNION ALL
    SELECT (
        SELECT max(m.requested_at / 86400000) FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL AND m.requested_at / 86400000 < d.day
    )
    FROM days AS d WHERE d.day IS NOT NULL
)
SELECT day FROM days AS d WHERE EXISTS (
    SELECT 1 FROM messages AS m INDEXED BY messages_by_number
    WHERE m.requested_at / 86400000 = d.day AND m.number = unhex(:number)
)
LIMIT :most;

-- name: messages_of_number
SELECT s.message_id, s.state, s.verified_at, s.reported, s.receipt
FROM messages AS m INDEXED BY messages_by_number CROSS JOIN message_states AS s ON s.id = m.id
WHERE m.requested_at / 86400000 = :day AND m.number = unhex(:number) AND m.account = :account
ORDER BY m.requested_at DESC, m.message_id DESC LIMIT :most;

-- name: ids_of_number
SELECT json_group_array(id) FROM (
    SELECT m.id FROM messages AS m INDEXED BY messages_by_number
    WHERE m.requested_at / 86400000 = :day AND m.number = unhex(:number) AND m.account = :account LIMIT :most
);

-- name: names
SELECT m.account, m.message_id FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value;

-- name: places
-- The conversions known by number alone that belong to the messages: each has those from its request until 24 hours later
-- or the next message of its number.
SELECT account, lower(hex(number)), requested_at, until FROM (
    SELECT m.account, m.number, m.requested_at, min(m.requested_at + 86400000, coalesce(
        (
            SELECT later.requested_at - 1 FROM messages AS later INDEXED BY messages_by_number
            WHERE later.requested_at / 86400000 = m.requested_at / 86400000 AND later.number = m.number
                AND (later.requested_at, later.message_id) > (m.requested_at, +m.message_id)
            ORDER BY later.requested_at, later.message_id LIMIT 1
        ), (
            SELECT later.requested_at - 1 FROM messages AS later INDEXED BY messages_by_number
            WHERE later.requested_at / 86400000 = m.requested_at / 86400000 + 1 AND later.number = m.number
                AND later.requested_at <= m.requested_at + 86400000
            ORDER BY later.requested_at, later.message_id LIMIT 1
        ), m.requested_at + 86400000
    )) AS until
    FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
    WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL
) AS p
WHERE EXISTS (
    SELECT 1 FROM number_conversions AS c
    WHERE c.account = p.account AND c.number = p.number AND c.delivered IN (0, 1)
        AND c.conversion_time BETWEEN p.requested_at AND p.until
);

-- name: fellows
-- Other messages of the sessions of the messages.
SELECT json_group_array(id) FROM (
    SELECT f.id
    FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
        CROSS JOIN messages AS f INDEXED BY messages_first_of_session
        ON f.account = m.account AND f.session_id = m.session_id AND f.session IS NOT NULL
    WHERE m.session_id <> '' AND f.id NOT IN (SELECT value FROM json_each(:ids))
    UNION
    SELECT f.id
    FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
        CROSS JOIN messages AS f INDEXED BY messages_later_in_session
        ON f.account = m.account AND f.session_id = m.session_id AND f.session IS NULL
    WHERE m.session_id <> '' AND f.session_id <> '' AND f.id NOT IN (SELECT value FROM json_each(:ids))
    LIMIT :most
);

-- name: kept
-- What the messages contribute to the rollups, and the sessions of those that leave theirs.
WITH contributions AS (
    SELECT m.account, m.requested_at, m.dimensions, 1 AS requested, m.verified, m.attempt = 1 AS first_requested,
        m.attempt = 1 AND m.verified AS first_verified, m.session IS NOT NULL AS sessions,
        m.session IS NOT NULL AND (m.session > 0 OR m.verified) AS sessions_verified, m.reported,
        coalesce(m.receipt > 0, 0) AS receipted, m.receipt IS 6 AS delivered,
        m.receipt IS 6 AND m.verified AS delivered_verified, m.delay_bin
    FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
    WHERE m.requested_at IS NOT NULL
    UNION ALL
    SELECT m.account, m.requested_at, m.dimensions, 0, 0, 0, 0, 1, m.session > 0 OR m.verified, 0, 0, 0, 0, NULL
    FROM json_each(:detached) AS e CROSS JOIN messages AS m ON m.id = e.value
    WHERE m.session IS NOT NULL
), rounded AS (
    SELECT *, requested_at / grain * grain AS start FROM (
        SELECT *, iif(requested_at < (SELECT minutes_from FROM progress), 900000, 60000) AS grain FROM contributions
    )
)
SELECT d.account, k.start, d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key,
    {count: sum(k.$count)},
    json_group_array(json_array(k.delay_bin, k.messages)) FILTER (WHERE k.delay_bin IS NOT NULL)
FROM (
    SELECT start, dimensions, delay_bin, count(*) AS messages, {count: sum($count) AS $count}
    FROM rounded GROUP BY start, dimensions, delay_bin
) AS k CROSS JOIN dimensions AS d ON d.id = k.dimensions
GROUP BY k.start, k.dimensions;

-- name: kept_costs
SELECT d.account, k.start, d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key,
    k.currency, k.messages, k.micros
FROM (
    SELECT requested_at / grain * grain AS start, dimensions, currency, count(*) AS messages, sum(price) AS micros
    FROM (
        SELECT m.*, iif(m.requested_at < (SELECT minutes_from FROM progress), 900000, 60000) AS grain
        FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
        WHERE m.price IS NOT NULL
    )
    GROUP BY start, dimensions, currency
) AS k CROSS JOIN dimensions AS d ON d.id = k.dimensions;

-- name: kept_ranges
-- What the messages contribute to the rollups by number range.
SELECT d.account, k.start, k.number_range, d.country, d.provider, sum(k.requested), sum(k.verified)
FROM (
    SELECT requested_at / 3600000 * 3600000 AS start, number_range, dimensions, count(*) AS requested,
        sum(verified) AS verified
    FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
    WHERE m.number_range <> '' AND m.requested_at >= (SELECT ranges_from FROM progress)
    GROUP BY start, number_range, dimensions
) AS k CROSS JOIN dimensions AS d ON d.id = k.dimensions
GROUP BY d.account, k.start, k.number_range, d.country, d.provider;

-- name: receipts_of
-- The vendors' ids of the messages, unless another message has the same one.
SELECT account, named FROM (
    SELECT DISTINCT m.account, coalesce(m.vendor_message_id, m.message_id) AS named
    FROM json_each(:ids) AS e CROSS JOIN messages AS m ON m.id = e.value
) AS n
WHERE NOT EXISTS (
    SELECT 1 FROM messages AS o INDEXED BY messages_by_vendor_id
    WHERE o.account = n.account AND o.vendor_message_id = n.named AND o.id NOT IN (SELECT value FROM json_each(:ids))
)
AND NOT EXISTS (
    SELECT 1 FROM messages AS o
    WHERE o.account = n.account AND o.message_id = n.named AND o.vendor_message_id IS NULL
        AND o.requested_at IS NOT NULL AND o.id NOT IN (SELECT value FROM json_each(:ids))
);
