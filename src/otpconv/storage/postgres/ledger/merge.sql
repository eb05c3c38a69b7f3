-- How the applier adds journal entries to the ledger. All times are milliseconds since the Unix epoch, UTC.

-- name: lock_cursor
-- Another applier waits here, and then continues where this one has stopped.
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1 FOR UPDATE;

-- name: cursor
SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;

-- name: batch_end
SELECT coalesce(
    (SELECT max(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > :cursor AND seq <= :cursor + :limit),
    (SELECT min(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > :cursor),
    :cursor
);

-- name: first_deletion
SELECT coalesce(min(seq), 0) FROM journal
WHERE bucket = 0 AND writer = 1 AND seq > :after AND seq <= :upto AND unmatched_before IS NOT NULL;

-- name: is_erasure
SELECT CASE WHEN reports IS NULL THEN 0 ELSE 1 END FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq;

-- name: is_believed
-- An expiry more than a day ahead of the newest report before it was written by a wrong clock, e.g. in a copied journal.
SELECT CASE WHEN e.recorded_at - 86400000 <= coalesce(
    (SELECT r.recorded_at FROM journal AS r
     WHERE r.bucket = 0 AND r.writer = 1 AND r.seq < e.seq AND r.unmatched_before IS NULL ORDER BY r.seq DESC LIMIT 1),
    e.recorded_at
) THEN 1 ELSE 0 END
FROM journal AS e WHERE e.bucket = 0 AND e.writer = 1 AND e.seq = :seq;

-- name: expiry
SELECT unmatched_before, minutes_from FROM journal WHERE bucket = 0 AND writer = 1 AND seq = :seq;

-- name: advance
UPDATE cursors SET position = :cursor WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;

-- name: empty_batch
DELETE FROM batch;

-- name: unpack
-- A report is [1, account, message id, requested_at, [dimensions], number, number range, session id, attempt],
-- [2, account, delivered, conversion time, message id, number, timing], or [3, account, report time, rate]. What is left
-- of the reports of deleted messages is [4, account, '', day, [dimensions]] or [0].
INSERT INTO batch
SELECT b.before + e.n, e.bucket, k.kind, (v ->> 1)::integer,
    (v ->> CASE WHEN k.kind = 3 THEN 2 ELSE 3 END)::bigint,
    CASE WHEN k.kind = 2 THEN nullif(v ->> 4, '') ELSE v ->> 2 END,
    CASE WHEN k.kind = 1 OR k.kind = 2 AND v ->> 4 = '' THEN decode(nullif(v ->> 5, ''), 'hex') END,
    CASE WHEN k.kind = 2 THEN (v ->> 2)::boolean END,
    CASE WHEN k.kind = 3 THEN (v ->> 3)::double precision END,
    d ->> 0, d ->> 1, d ->> 2, d ->> 3, d ->> 4, d ->> 5, coalesce(d ->> 6, ''),
    v ->> 6, v ->> 7, (v ->> 8)::integer, CASE WHEN k.kind = 2 THEN (v ->> 6)::smallint END
FROM (
        -- OFFSET 0 computes the length once per row of the journal, and not once per report.
        SELECT reports, buckets, seq - jsonb_array_length(reports) AS before FROM journal
        WHERE bucket = 0 AND writer = 1 AND seq > :after AND seq <= :upto OFFSET 0
    ) AS b CROSS JOIN LATERAL ROWS FROM (jsonb_array_elements(b.reports), unnest(b.buckets)) WITH ORDINALITY
        AS e (v, bucket, n)
    CROSS JOIN LATERAL (SELECT (v ->> 0)::smallint AS kind) AS k
    CROSS JOIN LATERAL (SELECT CASE WHEN k.kind IN (1, 4) THEN v -> 4 END AS d) AS m;

-- name: merge_requested
-- Of several reports about one message, the first in the order of the law; in the order of the key, so that no two
-- transactions wait for each other.
INSERT INTO messages
    (bucket, account, message_id, requested_at, dimensions, reported_values, number, number_range, session_id, attempt,
     session)
SELECT DISTINCT ON (r.bucket, r.account, r.message_id)
    r.bucket, r.account, r.message_id, r.at, c.dimensions, c.reported_values, r.number, r.number_range, r.session_id,
    r.attempt, CASE WHEN r.session_id = '' THEN NULL ELSE 0 END
FROM batch AS r JOIN combinations AS c
    ON c.account = r.account AND c.day = r.at / 86400000 AND c.country = r.country AND c.carrier = r.carrier
    AND c.provider = r.provider AND c.template = r.template AND c.sender = r.sender AND c.channel = r.channel
    AND c.access_key = r.access_key
WHERE r.kind = 1
ORDER BY r.bucket, r.account, r.message_id, r.at, r.country, r.carrier, r.provider, r.template, r.sender, r.channel,
    r.access_key, r.session_id, r.attempt, coalesce(r.number, '')
ON CONFLICT (bucket, account, message_id) DO UPDATE SET
    requested_at = excluded.requested_at, dimensions = excluded.dimensions, reported_values = excluded.reported_values,
    number = excluded.number, number_range = excluded.number_range, session_id = excluded.session_id,
    attempt = excluded.attempt,
    session = CASE WHEN excluded.session_id = messages.session_id THEN messages.session ELSE excluded.session END
WHERE messages.requested_at IS NULL
    OR excluded.requested_at < messages.requested_at
    OR excluded.requested_at = messages.requested_at AND CASE
        WHEN excluded.dimensions = messages.dimensions
            AND excluded.reported_values IS NOT DISTINCT FROM messages.reported_values THEN
            (excluded.session_id, excluded.attempt, coalesce(excluded.number, ''))
            < (messages.session_id, messages.attempt, coalesce(messages.number, ''))
        ELSE
            coalesce(excluded.reported_values, (
                SELECT ARRAY[country, carrier, provider, template, sender, channel, access_key]
                FROM dimensions WHERE id = excluded.dimensions
            ))
            < coalesce(messages.reported_values, (
                SELECT ARRAY[country, carrier, provider, template, sender, channel, access_key]
                FROM dimensions WHERE id = messages.dimensions
            ))
    END;

-- name: merge_conversions
-- The timing is 0 if the time was given, 1 if it is the arrival of a report without a time, 2 if it is unknown. A pure
-- duplicate writes nothing. `least` and `greatest` ignore NULL.
INSERT INTO messages AS m
    (bucket, account, message_id, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown)
SELECT bucket, account, message_id,
    min(at) FILTER (WHERE delivered AND timing = 0), max(at) FILTER (WHERE delivered AND timing = 0),
    max(at) FILTER (WHERE NOT delivered AND timing < 2), min(at) FILTER (WHERE delivered AND timing = 1),
    min(at) FILTER (WHERE delivered AND timing = 2), min(at) FILTER (WHERE NOT delivered AND timing = 2)
FROM batch
WHERE kind = 2 AND message_id IS NOT NULL
GROUP BY bucket, account, message_id ORDER BY bucket, account, message_id
ON CONFLICT (bucket, account, message_id) DO UPDATE SET
    true_first = least(m.true_first, excluded.true_first),
    true_last = greatest(m.true_last, excluded.true_last),
    false_last = greatest(m.false_last, excluded.false_last),
    true_arrival = least(m.true_arrival, excluded.true_arrival),
    true_unknown = least(m.true_unknown, excluded.true_unknown),
    false_unknown = least(m.false_unknown, excluded.false_unknown)
WHERE (
        least(m.true_first, excluded.true_first), greatest(m.true_last, excluded.true_last),
        greatest(m.false_last, excluded.false_last), least(m.true_arrival, excluded.true_arrival),
        least(m.true_unknown, excluded.true_unknown), least(m.false_unknown, excluded.false_unknown)
    ) IS DISTINCT FROM (m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown);

-- name: merge_number_conversions
INSERT INTO number_conversions
SELECT DISTINCT number_bucket(number), account, number, delivered, at FROM batch
WHERE kind = 2 AND message_id IS NULL
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT DO NOTHING;

-- name: merge_self_reported
INSERT INTO self_reported_rates
SELECT DISTINCT 0, account, at, rate FROM batch WHERE kind = 3
ORDER BY account, at, rate
ON CONFLICT DO NOTHING;

-- name: any_number_conversion
SELECT CASE WHEN EXISTS (SELECT 1 FROM number_conversions)
    OR EXISTS (SELECT 1 FROM batch WHERE kind = 2 AND message_id IS NULL) THEN 1 ELSE 0 END;

-- name: forget_touched
DELETE FROM touched_places;
DELETE FROM touched_messages;

-- name: touch_places
-- The places of the batch's messages among the messages of their number, if a conversion can belong to them. Runs
-- before and after the batch is merged, since a message can move.
INSERT INTO touched_places
SELECT DISTINCT m.id, m.account, m.number, m.requested_at, m.message_id
FROM batch AS r JOIN messages AS m ON m.bucket = r.bucket AND m.account = r.account AND m.message_id = r.message_id
WHERE r.kind = 1 AND m.requested_at IS NOT NULL AND m.number IS NOT NULL AND EXISTS (
    SELECT 1 FROM number_conversions AS c
    WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number
        AND c.delivered IN (false, true)
        AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
);

-- name: touch_messages
-- The messages that can gain or lose conversions by this batch: the message at each place, the newest message before
-- each place, and the message that each conversion of the batch belongs to. No other message of the number can.
INSERT INTO touched_messages (id)
SELECT id FROM touched_places
UNION
SELECT id FROM (
    SELECT coalesce(
        (
            SELECT m.id FROM messages AS m
            WHERE m.requested_at / 86400000 = p.requested_at / 86400000 AND m.number = p.number
                AND m.requested_at IS NOT NULL AND (m.requested_at, m.message_id) < (p.requested_at, p.message_id)
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
        ), (
            SELECT m.id FROM messages AS m
            WHERE m.requested_at / 86400000 = p.requested_at / 86400000 - 1 AND m.number = p.number
                AND m.requested_at >= p.requested_at - 86400000
            ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1
        )
    ) AS id
    FROM touched_places AS p
    UNION ALL
    SELECT coalesce(
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
    FROM batch AS c WHERE c.kind = 2 AND c.message_id IS NULL
) AS near WHERE id IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: limit_messages
-- A conversion by number belongs to the newest message at or before it, at most 24 hours before. So a message has the
-- conversions from its own time on, for 24 hours or until the next message.
UPDATE touched_messages AS t SET until = least(m.requested_at + 86400000, coalesce(
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
))
FROM messages AS m WHERE m.id = t.id;

-- name: resolve_numbers
UPDATE messages AS m SET number_true = c.number_true, number_reported = c.number_reported
FROM (
    SELECT o.id,
        (
            SELECT min(c.conversion_time) FROM number_conversions AS c
            WHERE c.bucket = number_bucket(o.number) AND c.account = o.account AND c.number = o.number AND c.delivered
                AND c.conversion_time > o.requested_at AND c.conversion_time <= t.until
        ) AS number_true,
        EXISTS (
            SELECT 1 FROM number_conversions AS c
            WHERE c.bucket = number_bucket(o.number) AND c.account = o.account AND c.number = o.number
                AND c.delivered IN (false, true) AND c.conversion_time BETWEEN o.requested_at AND t.until
        ) AS number_reported
    FROM touched_messages AS t JOIN messages AS o ON o.id = t.id
) AS c
WHERE m.id = c.id AND (
    m.number_true IS DISTINCT FROM c.number_true OR coalesce(m.number_reported, false) <> c.number_reported
);

-- name: drop_unmatched
DELETE FROM messages WHERE unmatched_at < :unmatched_before;

-- name: drop_minutes
DELETE FROM rollups WHERE bucket = 0 AND writer = 1 AND grain = 60000 AND account IN (SELECT DISTINCT account FROM routes)
    AND start < :minutes_from;

-- name: keep_minutes_from
UPDATE horizons SET minutes_from = greatest(minutes_from, :minutes_from) WHERE bucket = 0;
