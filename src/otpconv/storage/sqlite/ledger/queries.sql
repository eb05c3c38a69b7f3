-- The questions that the ledger answers. All times are milliseconds since the Unix epoch, UTC.

-- name: cursor
SELECT cursor FROM progress;

-- name: states
-- One row for all messages: each fetched row costs the event loop a change of threads.
SELECT '{' || coalesce(group_concat(json_quote(m.message_id) || ':' || m.state), '') || '}'
FROM json_each(:message_ids) AS ids CROSS JOIN message_states AS m
    ON m.account = :account AND m.message_id = ids.value;

-- name: outlines
SELECT json_group_object(m.message_id, json_array(
    iif(m.requested_at IS NULL, NULL, json_array(1, 0, '', m.requested_at, json_array(), lower(hex(m.number)))),
    m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
))
FROM json_each(:message_ids) AS ids CROSS JOIN messages AS m
    ON m.account = :account AND m.message_id = ids.value;

-- name: receipts
SELECT '{' || coalesce(group_concat(json_quote(r.vendor_message_id) || ':' || r.state), '') || '}'
FROM json_each(:ids) AS ids CROSS JOIN receipt_states AS r
    ON r.account = :account AND r.vendor_message_id = ids.value;

-- name: message
SELECT message_id, state, verified_at, reported, receipt FROM message_states
WHERE account = :account AND message_id = :message_id;

-- name: all_messages
-- `+` keeps SQLite from using the index by account: it would sort all messages in memory. So it reads in file order.
SELECT message_id, state, verified_at, reported, receipt FROM message_states WHERE +account = :account ORDER BY id;

-- name: part_before
-- Where the next part of the ledger before :before begins, :read ids long. Where there is a gap in the ids, the part ends
-- before it.
SELECT max(id) + 1 - :read FROM messages WHERE id < :before;

-- name: recorded
SELECT id, message_id, state, verified_at, reported, receipt FROM message_states
WHERE id >= :first AND id < :before AND +account = :account AND requested_at >= :start AND requested_at < :end
ORDER BY id DESC LIMIT :most;

-- name: newest
SELECT state FROM message_states
WHERE account = :account AND id = coalesce(
    (
        SELECT m.id FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at / 86400000 = :at / 86400000 AND m.number = unhex(:number) AND m.requested_at <= :at
        ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
    ), (
        SELECT m.id FROM messages AS m INDEXED BY messages_by_number
        WHERE m.requested_at / 86400000 = :at / 86400000 - 1 AND m.number = unhex(:number)
            AND m.requested_at >= :at - 86400000
        ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
    )
);

-- name: heard
SELECT 1 FROM number_conversions
WHERE account = :account AND number = unhex(:number) AND conversion_time = :conversion_time AND delivered = :delivered;

-- name: dimensions
-- The combinations of the days that the spans touch.
SELECT id, country, carrier, provider, template, sender, channel, access_key, day FROM dimensions
WHERE account = :account AND day >= (SELECT min(value ->> 1) / 86400000 FROM json_each(:spans))
    AND day <= (SELECT max(value ->> 2) / 86400000 FROM json_each(:spans));

-- name: folded
SELECT coalesce(sum(r.requested), 0)
FROM dimensions AS d CROSS JOIN rollups AS r
    ON r.grain = 86400000 AND r.account = d.account AND r.start = d.day * 86400000 AND r.dimensions = d.id
WHERE d.account = :account AND d.folded AND d.day BETWEEN :start / 86400000 AND (:end - 1) / 86400000;

-- name: counts
-- :groups has four bytes for each id of dimensions, starting with the id :first: the number of its group, or 0 if it
-- has none. Finding the group by its place costs almost nothing per row; a join was three to eight times slower.
SELECT iif(:step IS NULL, 0, r.start / :step * :step) AS slot, substr(:groups, 4 * (r.dimensions - :first) + 1, 4) AS of,
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM json_each(:spans) AS span CROSS JOIN rollups AS r
    ON r.grain = span.value ->> 0 AND r.account = :account
    AND r.start >= span.value ->> 1 AND r.start < span.value ->> 2
WHERE of > x'00000000'
GROUP BY slot, of
LIMIT :limit;

-- name: counts_of_one
-- Like counts, for one group and one slot. Nothing has to be sorted, so it takes half the time.
SELECT 0, x'00000001',
    {count: sum($count)},
    {bin: sum(d$bin)}
FROM json_each(:spans) AS span CROSS JOIN rollups AS r
    ON r.grain = span.value ->> 0 AND r.account = :account
    AND r.start >= span.value ->> 1 AND r.start < span.value ->> 2
WHERE substr(:groups, 4 * (r.dimensions - :first) + 1, 4) > x'00000000'
HAVING count(*) > 0;

-- name: tallies
-- Like counts, without the delays. It takes a third of the time.
SELECT iif(:step IS NULL, 0, r.start / :step * :step) AS slot, substr(:groups, 4 * (r.dimensions - :first) + 1, 4) AS of,
    {count: sum($count)}
FROM json_each(:spans) AS span CROSS JOIN rollups AS r
    ON r.grain = span.value ->> 0 AND r.account = :account
    AND r.start >= span.value ->> 1 AND r.start < span.value ->> 2
WHERE of > x'00000000'
GROUP BY slot, of
LIMIT :limit;

-- name: tallies_of_one
-- Like counts_of_one, without the delays.
SELECT 0, x'00000001',
    {count: sum($count)}
FROM json_each(:spans) AS span CROSS JOIN rollups AS r
    ON r.grain = span.value ->> 0 AND r.account = :account
    AND r.start >= span.value ->> 1 AND r.start < span.value ->> 2
WHERE substr(:groups, 4 * (r.dimensions - :first) + 1, 4) > x'00000000'
HAVING count(*) > 0;

-- name: costs
SELECT iif(:step IS NULL, 0, r.start / :step * :step) AS slot, substr(:groups, 4 * (r.dimensions - :first) + 1, 4) AS of,
    r.currency, sum(r.messages), sum(r.micros)
FROM json_each(:spans) AS span CROSS JOIN cost_rollups AS r
    ON r.grain = span.value ->> 0 AND r.account = :account
    AND r.start >= span.value ->> 1 AND r.start < span.value ->> 2
WHERE of > x'00000000'
GROUP BY slot, of, r.currency
LIMIT :limit;

-- name: routes
WITH largest AS MATERIALIZED (
    SELECT provider, country, requested, verified FROM routes
    WHERE account = :account AND requested > 0 ORDER BY requested DESC, provider, country LIMIT :most
)
SELECT provider, country, requested, verified FROM largest
UNION ALL
SELECT '(other)', '(other)', whole.requested - part.requested, whole.verified - part.verified
FROM (SELECT sum(requested) AS requested, sum(verified) AS verified FROM routes WHERE account = :account) AS whole
    CROSS JOIN (SELECT sum(requested) AS requested, sum(verified) AS verified FROM largest) AS part
WHERE whole.requested > part.requested;

-- name: ranges
SELECT number_range, country, provider, min(start), sum(iif(start >= :start, requested, 0)) AS messages,
    sum(iif(start >= :start, verified, 0)), sum(iif(start < :start, verified, 0))
FROM range_rollups
WHERE account = :account AND start < :end
    AND (:countries IS NULL OR country IN (SELECT value FROM json_each(:countries)))
GROUP BY number_range, country, provider HAVING messages > 0
ORDER BY messages DESC, number_range, country, provider LIMIT :limit;

-- name: range_lengths
-- Of a day that has too many ranges, those countries get shorter ones that have the most of them. A digit less leaves a
-- tenth of random ranges.
SELECT account, day, country,
    max(:shortest, longest - 1 - CAST(log10(1.0 * whole / :most) AS INTEGER))
FROM (
    SELECT account, day, country, rows, longest, sum(rows) OVER of_day AS whole,
        avg(rows) FILTER (WHERE longest > :shortest) OVER of_day AS mean
    FROM (
        SELECT account, start / 86400000 AS day, country, count(*) AS rows, max(length(number_range)) AS longest
        FROM range_rollups GROUP BY account, day, country
    )
    WINDOW of_day AS (PARTITION BY account, day)
)
WHERE whole > :most AND longest > :shortest AND rows >= mean
ORDER BY account, day, country;

-- name: unmatched
SELECT coalesce((SELECT messages + numbers FROM unmatched WHERE account = :account), 0);

-- name: minutes_from
SELECT minutes_from FROM progress;

-- name: self_reported
-- The newest :most of the window, newest first.
SELECT report_time, rate FROM self_reported_rates
WHERE account = :account AND report_time >= :start AND report_time < :end
ORDER BY report_time DESC, rate DESC LIMIT :most;

-- name: count_self_reported
SELECT count(*) FROM (
    SELECT 1 FROM self_reported_rates
    WHERE account = :account AND report_time >= :start AND report_time < :end LIMIT :most
);
