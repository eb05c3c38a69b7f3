-- What the ledger is asked. All times are milliseconds since the Unix epoch, UTC.

-- name: states
-- One row for all: each row that is fetched costs the event loop a change of threads.
SELECT '{' || coalesce(group_concat(json_quote(m.message_id) || ':' || m.state), '') || '}'
FROM json_each(:message_ids) AS ids CROSS JOIN message_states AS m
    ON m.account = :account AND m.message_id = ids.value;

-- name: outlines
SELECT json_group_object(m.message_id, json_array(
    iif(m.requested_at IS NULL, NULL, json_array(1, 0, '', m.requested_at, json_array(), lower(hex(m.number)))),
    m.true_first, m.true_last, m.false_last
))
FROM json_each(:message_ids) AS ids CROSS JOIN messages AS m
    ON m.account = :account AND m.message_id = ids.value;

-- name: message
SELECT message_id, state, verified_at, reported FROM message_states
WHERE account = :account AND message_id = :message_id;

-- name: all_messages
SELECT message_id, state, verified_at, reported FROM message_states WHERE account = :account ORDER BY id;

-- name: newest
SELECT state FROM message_states
WHERE requested_at / 86400000 IN (:at / 86400000, :at / 86400000 - 1) AND number = unhex(:number)
    AND account = :account AND requested_at BETWEEN :at - 86400000 AND :at
ORDER BY requested_at DESC, message_id DESC LIMIT 1;

-- name: heard
SELECT 1 FROM number_conversions
WHERE account = :account AND number = unhex(:number) AND conversion_time = :conversion_time AND delivered = :delivered;

-- name: chosen
-- What `counts` and `delays` begin with: the rollups of the spans, and the combinations of dimensions asked for.
-- Each combination is summed under one of its group, so that only numbers are sorted.
WITH chosen AS MATERIALIZED (
    SELECT id, min(id) OVER (
        PARTITION BY iif(:by_country, country, ''), iif(:by_carrier, carrier, ''), iif(:by_provider, provider, ''),
            iif(:by_template, template, ''), iif(:by_sender, sender, ''), iif(:by_channel, channel, '')
    ) AS first
    FROM dimensions
    WHERE account = :account
        AND (:country IS NULL OR country IN (SELECT value FROM json_each(:country)))
        AND (:carrier IS NULL OR carrier IN (SELECT value FROM json_each(:carrier)))
        AND (:provider IS NULL OR provider IN (SELECT value FROM json_each(:provider)))
        AND (:template IS NULL OR template IN (SELECT value FROM json_each(:template)))
        AND (:sender IS NULL OR sender IN (SELECT value FROM json_each(:sender)))
        AND (:channel IS NULL OR channel IN (SELECT value FROM json_each(:channel)))
), counted AS (
    SELECT iif(:step IS NULL, 0, r.start / :step * :step) AS slot, chosen.first, r.*
    FROM json_each(:spans) AS span CROSS JOIN rollups AS r
        ON r.grain = span.value ->> 0 AND r.account = :account
        AND r.start >= span.value ->> 1 AND r.start < span.value ->> 2
    JOIN chosen ON chosen.id = r.dimensions
)

-- name: counts
, summed AS (
    SELECT slot, first,
        sum(requested) AS requested, sum(verified) AS verified, sum(first_requested) AS first_requested,
        sum(first_verified) AS first_verified, sum(sessions) AS sessions,
        sum(sessions_verified) AS sessions_verified, sum(reported) AS reported
    FROM counted GROUP BY slot, first
)
SELECT slot, country, carrier, provider, template, sender, channel,
    requested, verified, first_requested, first_verified, sessions, sessions_verified, reported
FROM summed JOIN dimensions ON dimensions.id = summed.first;

-- name: delays
, summed AS (
    SELECT slot, first, json_array(
        sum(d0), sum(d1), sum(d2), sum(d3), sum(d4), sum(d5), sum(d6), sum(d7), sum(d8), sum(d9), sum(d10),
        sum(d11), sum(d12), sum(d13), sum(d14), sum(d15), sum(d16), sum(d17), sum(d18), sum(d19), sum(d20),
        sum(d21), sum(d22), sum(d23), sum(d24), sum(d25), sum(d26), sum(d27), sum(d28), sum(d29), sum(d30),
        sum(d31), sum(d32), sum(d33), sum(d34)
    ) AS delays
    FROM counted GROUP BY slot, first
)
SELECT slot, country, carrier, provider, template, sender, channel, delays
FROM summed JOIN dimensions ON dimensions.id = summed.first;

-- name: unmatched
SELECT
    (SELECT count(*) FROM messages WHERE account = :account AND requested_at IS NULL)
    + (
        SELECT count(DISTINCT number) FROM number_conversions AS c
        WHERE c.account = :account AND NOT EXISTS (
            SELECT 1 FROM messages AS m
            WHERE m.requested_at / 86400000 IN (c.conversion_time / 86400000, c.conversion_time / 86400000 - 1)
                AND m.number = c.number
                AND m.requested_at BETWEEN c.conversion_time - 86400000 AND c.conversion_time
        )
    );

-- name: minutes_from
SELECT minutes_from FROM progress;

-- name: self_reported
SELECT report_time, rate FROM self_reported_rates
WHERE account = :account AND report_time >= :start AND report_time < :end ORDER BY report_time, rate;
