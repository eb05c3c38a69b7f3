-- How the applier merges a batch of reports: one call, whose plans the connection keeps. The steps and their order are
-- those of merging.py. The reports, and what each step hands to the next one, are arrays: a temporary table costs each
-- transaction that touches it a millisecond. Only one transaction merges at a time, since each locks its cursor first;
-- so a step may read a row, and write it by its place.
--
-- Plans are made once, when the tables may be small. So a step joins the ledger only by a lateral subquery with OFFSET or
-- LIMIT, or by a scalar subquery: these use the index whatever the planner knows.

-- name: merging_schema
CREATE TYPE report AS (
    position bigint,                -- in the journal
    bucket smallint, kind smallint, account integer, at bigint, message_id text COLLATE "C", number bytea,
    delivered boolean, rate double precision,
    dimensions text COLLATE "C",    -- as JSON
    number_range text, session_id text COLLATE "C", attempt integer, timing smallint,
    vendor_message_id text COLLATE "C"
);
CREATE TYPE receipt AS (
    bucket smallint, account integer, vendor_message_id text COLLATE "C", status smallint, at bigint,
    error text COLLATE "C", price bigint, currency text COLLATE "C", segments integer
);
CREATE TYPE vendor_id AS (account integer, vendor_message_id text COLLATE "C", erased boolean);
CREATE TYPE combination AS (
    account integer, day integer,
    country text COLLATE "C", carrier text COLLATE "C", provider text COLLATE "C", template text COLLATE "C",
    sender text COLLATE "C", channel text COLLATE "C", access_key text COLLATE "C",
    first bigint,                   -- the first position in the batch that has this combination
    dimensions integer,             -- the combination that counts it; NULL if it is new
    reported_values text[] COLLATE "C",     -- the values as reported, if one is counted as `(other)`
    reported text COLLATE "C"       -- the same, as JSON
);

-- The position of the last entry of a batch: whole rows of the journal, as many as have up to `most` entries, or one.
CREATE FUNCTION batch_end(cursor_at bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce(
        (SELECT max(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > cursor_at AND seq <= cursor_at + most),
        (SELECT min(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > cursor_at),
        cursor_at
    );
END $$;

-- The reports of a batch by what the steps do with them; each list is NULL if it is empty.
CREATE TYPE reports AS (
    requests report[], conversions report[], number_conversions report[], rates report[], receipts receipt[]
);

-- A report is [1, account, message id, requested_at, [dimensions], number, number range, session id, attempt, vendor's id],
-- [2, account, delivered, conversion time, message id, number, timing], [3, account, report time, rate], or
-- [6, account, vendor's id, status, time, error, price, currency, segments]. The rest of the reports of deleted
-- messages is [4, account, '', day, [dimensions]] or [0].
CREATE FUNCTION unpack(after bigint, upto bigint) RETURNS reports LANGUAGE plpgsql AS $$
DECLARE
    unpacked reports;
BEGIN
    SELECT array_agg(r) FILTER (WHERE kind IN (1, 4)), array_agg(r) FILTER (WHERE kind = 2 AND (r).message_id IS NOT NULL),
        array_agg(r) FILTER (WHERE kind = 2 AND (r).message_id IS NULL), array_agg(r) FILTER (WHERE kind = 3),
        array_agg(receipt) FILTER (WHERE kind = 6)
    INTO unpacked
    FROM (
        SELECT k.kind, ROW(
            b.before + e.n, e.bucket, k.kind, (v ->> 1)::integer,
            (v ->> CASE WHEN k.kind = 3 THEN 2 ELSE 3 END)::bigint,
            CASE WHEN k.kind = 2 THEN nullif(v ->> 4, '') ELSE v ->> 2 END,
            CASE WHEN k.kind = 1 OR k.kind = 2 AND v ->> 4 = '' THEN decode(nullif(v ->> 5, ''), 'hex') END,
            CASE WHEN k.kind = 2 THEN (v ->> 2)::boolean END,
            CASE WHEN k.kind = 3 THEN (v ->> 3)::double precision END,
            CASE WHEN k.kind IN (1, 4) THEN v ->> 4 END, CASE WHEN k.kind = 1 THEN v ->> 6 END, CASE WHEN k.kind = 1 THEN v ->> 7 END,
            CASE WHEN k.kind = 1 THEN (v ->> 8)::integer END, CASE WHEN k.kind = 2 THEN (v ->> 6)::smallint END,
            CASE WHEN k.kind = 1 THEN nullif(v ->> 9, '') END
        )::report AS r, CASE WHEN k.kind = 6 THEN ROW(
            e.bucket, (v ->> 1)::integer, v ->> 2, (v ->> 3)::smallint, (v ->> 4)::bigint, v ->> 5, (v ->> 6)::bigint,
            v ->> 7, (v ->> 8)::integer
        )::receipt END AS receipt
        FROM (
                -- OFFSET 0 computes the length once per row of the journal, and not once per report.
                SELECT reports, buckets, seq - jsonb_array_length(reports) AS before FROM journal
                WHERE bucket = 0 AND writer = 1 AND seq > after AND seq <= upto OFFSET 0
            ) AS b CROSS JOIN LATERAL ROWS FROM (jsonb_array_elements(b.reports), unnest(b.buckets)) WITH ORDINALITY
                AS e (v, bucket, n)
            CROSS JOIN LATERAL (SELECT (v ->> 0)::smallint AS kind OFFSET 0) AS k
        OFFSET 0
    ) AS each_report;
    RETURN unpacked;
END $$;

-- Merges requests and conversions by message, and returns what the messages contributed before (sign -1) and contribute
-- now (sign 1). Of several requests of one message, the first in the order of the law wins. A pure duplicate writes nothing.
-- The timing of a conversion is 0 if the time was given, 1 if it is the arrival of a report without a time, 2 if it is
-- unknown. `least` and `greatest` ignore NULL.
CREATE FUNCTION merge_messages(requests report[], conversions report[], known combination[]) RETURNS contribution[]
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moved contribution[];
BEGIN
    WITH requested AS (
        SELECT DISTINCT ON (r.bucket, r.account, r.message_id)
            r.bucket, r.account, r.message_id, r.at AS requested_at, c.dimensions, c.reported_values, r.number,
            r.number_range, r.session_id, r.attempt,
            min(r.vendor_message_id) OVER (PARTITION BY r.bucket, r.account, r.message_id) AS vendor_message_id,
            min(r.position) OVER (PARTITION BY r.bucket, r.account, r.message_id) AS first
        -- A full join, which can't be a nested loop: the planner takes all arrays for short.
        FROM unnest(requests) AS r FULL JOIN unnest(known) AS c
            ON c.account = r.account AND c.day = r.at / 86400000 AND c.reported = r.dimensions
        WHERE coalesce(r.kind, 0) = 1
        ORDER BY r.bucket, r.account, r.message_id, r.at, c.country, c.carrier, c.provider, c.template, c.sender,
            c.channel, c.access_key, r.session_id, r.attempt, coalesce(r.number, '')
    ), converted AS (
        SELECT bucket, account, message_id, min(position) AS first,
            min(at) FILTER (WHERE delivered AND timing = 0) AS true_first,
            max(at) FILTER (WHERE delivered AND timing = 0) AS true_last,
            max(at) FILTER (WHERE NOT delivered AND timing < 2) AS false_last,
            min(at) FILTER (WHERE delivered AND timing = 1) AS true_arrival,
            min(at) FILTER (WHERE delivered AND timing = 2) AS true_unknown,
            min(at) FILTER (WHERE NOT delivered AND timing = 2) AS false_unknown
        FROM unnest(conversions) GROUP BY bucket, account, message_id
    ), merged AS MATERIALIZED (
        SELECT bucket, account, message_id, q.requested_at, q.dimensions, q.reported_values, q.number, q.number_range,
            q.session_id, q.attempt, m.place, m.before, least(q.first, c.first) AS first,
            least(m.true_first, c.true_first) AS true_first, greatest(m.true_last, c.true_last) AS true_last,
            greatest(m.false_last, c.false_last) AS false_last, least(m.true_arrival, c.true_arrival) AS true_arrival,
            least(m.true_unknown, c.true_unknown) AS true_unknown,
            least(m.false_unknown, c.false_unknown) AS false_unknown,
            least(m.vendor_message_id, q.vendor_message_id) AS vendor_message_id,
            (
                least(m.true_first, c.true_first), greatest(m.true_last, c.true_last),
                greatest(m.false_last, c.false_last), least(m.true_arrival, c.true_arrival),
                least(m.true_unknown, c.true_unknown), least(m.false_unknown, c.false_unknown),
                least(m.vendor_message_id, q.vendor_message_id)
            ) IS DISTINCT FROM (
                m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown,
                m.vendor_message_id
            ) AS is_joined,
            q.requested_at IS NOT NULL AND (
                m.requested_at IS NULL
                OR q.requested_at < m.requested_at
                OR q.requested_at = m.requested_at AND CASE
                    WHEN q.dimensions = m.dimensions AND q.reported_values IS NOT DISTINCT FROM m.reported_values THEN
                        (q.session_id, q.attempt, coalesce(q.number, ''))
                        < (m.session_id, m.attempt, coalesce(m.number, ''))
                    ELSE
                        coalesce(q.reported_values, (
                            SELECT ARRAY[country, carrier, provider, template, sender, channel, access_key]
                            FROM dimensions WHERE id = q.dimensions
                        ))
                        < coalesce(m.reported_values, (
                            SELECT ARRAY[country, carrier, provider, template, sender, channel, access_key]
                            FROM dimensions WHERE id = m.dimensions
                        ))
                END
            ) AS is_requested
        FROM requested AS q FULL JOIN converted AS c USING (bucket, account, message_id)
            LEFT JOIN LATERAL (
                SELECT ctid AS place, contribution(m, -1) AS before, requested_at, dimensions, reported_values, number,
                    session_id, attempt, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown,
                    vendor_message_id
                FROM messages AS m
                WHERE m.bucket = coalesce(q.bucket, c.bucket) AND m.account = coalesce(q.account, c.account)
                    AND m.message_id = coalesce(q.message_id, c.message_id)
                OFFSET 0
            ) AS m ON true
    ), requested_again AS (
        UPDATE messages AS m SET
            requested_at = n.requested_at, dimensions = n.dimensions, reported_values = n.reported_values,
            number = n.number, number_range = n.number_range, session_id = n.session_id, attempt = n.attempt,
            session = CASE WHEN n.session_id = m.session_id THEN m.session WHEN n.session_id <> '' THEN 0 END,
            true_first = n.true_first, true_last = n.true_last, false_last = n.false_last,
            true_arrival = n.true_arrival, true_unknown = n.true_unknown, false_unknown = n.false_unknown,
            vendor_message_id = n.vendor_message_id
        FROM merged AS n WHERE m.ctid = n.place AND n.is_requested
        RETURNING n.before, contribution(m, 1) AS after
    ), joined_again AS (
        UPDATE messages AS m SET
            true_first = n.true_first, true_last = n.true_last, false_last = n.false_last,
            true_arrival = n.true_arrival, true_unknown = n.true_unknown, false_unknown = n.false_unknown,
            vendor_message_id = n.vendor_message_id
        FROM merged AS n WHERE m.ctid = n.place AND n.is_joined AND NOT n.is_requested
        RETURNING n.before, contribution(m, 1) AS after
    ), inserted AS (
        INSERT INTO messages AS m
            (bucket, account, message_id, id, requested_at, dimensions, reported_values, number, number_range, session_id,
             attempt, session, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown,
             vendor_message_id)
        SELECT bucket, account, message_id, first, requested_at, dimensions, reported_values, number, number_range,
            session_id, attempt, CASE WHEN session_id <> '' THEN 0 END, true_first, true_last, false_last, true_arrival,
            true_unknown, false_unknown, vendor_message_id
        FROM merged WHERE place IS NULL
        RETURNING contribution(m, 1) AS after
    )
    SELECT array_agg(part) INTO moved FROM (
        SELECT after AS part FROM inserted
        UNION ALL SELECT before FROM joined_again UNION ALL SELECT after FROM joined_again
        UNION ALL SELECT before FROM requested_again UNION ALL SELECT after FROM requested_again
    ) AS parts;
    RETURN moved;
END $$;

CREATE FUNCTION merge_rates(rates report[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO self_reported_rates
    SELECT DISTINCT 0, account, at, rate FROM unnest(rates) ORDER BY account, at, rate
    ON CONFLICT DO NOTHING
$$;

-- The places of the batch's messages among the messages of their number, if a conversion can belong to them. Runs
-- before and after the batch is merged, since a message can move.
CREATE FUNCTION touch_places() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO touched_places
    SELECT DISTINCT m.id, m.account, m.number, m.requested_at, m.message_id
    FROM batch AS r CROSS JOIN LATERAL (
        SELECT * FROM messages AS m
        WHERE m.bucket = r.bucket AND m.account = r.account AND m.message_id = r.message_id OFFSET 0
    ) AS m
    WHERE r.kind = 1 AND m.requested_at IS NOT NULL AND m.number IS NOT NULL AND (
        SELECT 1 FROM number_conversions AS c
        WHERE c.bucket = number_bucket(m.number) AND c.account = m.account AND c.number = m.number
            AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
        LIMIT 1
    ) IS NOT NULL;
END $$;

-- Merges a batch. If `by_number`, the steps for conversions by number remain: then `batch`, `touched_places` and
-- `contributions` hold what they need, and `settle` ends the batch.
CREATE FUNCTION merge_reports(
    batch_of reports, by_number boolean, most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    known combination[];
    moved contribution[];
    -- Without any receipt, their steps cost one look.
    any_receipt CONSTANT boolean := batch_of.receipts IS NOT NULL OR EXISTS (SELECT FROM receipts);
    left_ids vendor_id[];
BEGIN
    IF batch_of.requests IS NOT NULL THEN
        known := find_dimensions(batch_of.requests, most_values, most_combinations, most_routes);
    END IF;
    IF by_number THEN
        INSERT INTO batch SELECT * FROM unnest(batch_of.requests);
        INSERT INTO batch SELECT * FROM unnest(batch_of.number_conversions);
        PERFORM touch_places();
    END IF;
    IF any_receipt THEN
        left_ids := vendor_ids(batch_of.requests);
    END IF;
    IF batch_of.requests IS NOT NULL OR batch_of.conversions IS NOT NULL THEN
        moved := merge_messages(batch_of.requests, batch_of.conversions, known);
    END IF;
    IF batch_of.rates IS NOT NULL THEN
        PERFORM merge_rates(batch_of.rates);
    END IF;
    IF any_receipt THEN
        moved := moved || merge_receipts(batch_of.receipts, batch_of.requests, left_ids);
    END IF;
    IF by_number THEN
        INSERT INTO contributions SELECT * FROM unnest(moved);
    ELSIF moved IS NOT NULL THEN
        PERFORM settle(moved, NULL);
    END IF;
END $$;

-- Applies the next entries of the journal, and returns the cursor after them. Returns NULL and does nothing if they begin
-- with an expiry or erasure, or if conversions by number concern them: these take more steps.
CREATE FUNCTION apply_reports(
    most bigint, most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    -- Another applier waits here, and then continues where this one has stopped.
    cursor_at CONSTANT bigint := (
        SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1 FOR UPDATE
    );
    upto bigint;
    batch_of reports;
BEGIN
    upto := batch_end(cursor_at, most);
    IF upto = cursor_at THEN
        RETURN cursor_at;
    END IF;
    upto := coalesce(
        (
            SELECT min(seq) - 1 FROM journal
            WHERE bucket = 0 AND writer = 1 AND seq > cursor_at AND seq <= upto AND unmatched_before IS NOT NULL
        ), upto
    );
    IF upto = cursor_at OR EXISTS (SELECT FROM number_conversions) THEN
        RETURN NULL;
    END IF;
    batch_of := unpack(cursor_at, upto);
    IF batch_of.number_conversions IS NOT NULL THEN
        RETURN NULL;
    END IF;
    PERFORM merge_reports(batch_of, false, most_values, most_combinations, most_routes);
    UPDATE cursors SET position = upto WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;
    RETURN upto;
END $$;

-- name: apply_reports
SELECT apply_reports(:limit, :values, :combinations, :routes);

-- name: merge_by_number
SELECT merge_reports(unpack(:after, :upto), true, :values, :combinations, :routes);

-- name: merge_reports
SELECT merge_reports(unpack(:after, :upto), false, :values, :combinations, :routes);
