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
CREATE TYPE place AS (      -- of a message among the messages of its number
    id bigint, account integer, number bytea, requested_at bigint, message_id text COLLATE "C"
);
CREATE TYPE owner AS (
    id bigint,                      -- of a message
    until bigint                    -- the last instant at which a conversion of its number belongs to it
);
CREATE TYPE number_hour AS (
    account integer, number bytea, start bigint,
    first bigint, last bigint       -- the range of instants that no message explains
);
CREATE TYPE combination AS (
    account integer, day integer,
    country text COLLATE "C", carrier text COLLATE "C", provider text COLLATE "C", template text COLLATE "C",
    sender text COLLATE "C", channel text COLLATE "C", access_key text COLLATE "C",
    first bigint,                   -- the first position in the batch that has this combination
    dimensions integer,             -- the combination that counts it; NULL if it is new
    reported_values text[] COLLATE "C",     -- the values as reported, if one is counted as `(other)`
    reported text COLLATE "C"       -- the same, as JSON
);

-- Counts to add to the minute (or quarter of an hour) of a combination.
CREATE TYPE change AS (
    account integer, start bigint, dimensions integer,
    {count: $count integer},
    delay_bin smallint, more integer        -- this bin counts so many more messages; NULL: no bin does
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
-- now (sign 1): `verified` those that only got conversions and are the first of their session or have none, so that no
-- session changes; `moved` all others. Of several requests of one message, the first in the order of the law wins. A pure
-- duplicate writes nothing.
-- The timing of a conversion is 0 if the time was given, 1 if it is the arrival of a report without a time, 2 if it is
-- unknown. `least` and `greatest` ignore NULL.
CREATE FUNCTION merge_messages(
    requests report[], conversions report[], known combination[], OUT moved contribution[], OUT verified contribution[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    WITH requested AS (
        SELECT DISTINCT ON (r.bucket, r.account, r.message_id)
            r.bucket, r.account, r.message_id, r.at AS requested_at, c.dimensions, c.reported_values, r.number,
            r.number_range, r.session_id, r.attempt,
            min(r.vendor_message_id) OVER message AS vendor_message_id, min(r.position) OVER message AS first
        -- A full join, which can't be a nested loop: the planner takes all arrays for short.
        FROM unnest(requests) AS r FULL JOIN unnest(known) AS c
            ON c.account = r.account AND c.day = r.at / 86400000 AND c.reported = r.dimensions
        WHERE coalesce(r.kind, 0) = 1
        -- The window has the order of the law, so that one sort serves both.
        WINDOW message AS (
            PARTITION BY r.bucket, r.account, r.message_id
            ORDER BY r.at, c.country, c.carrier, c.provider, c.template, c.sender, c.channel, c.access_key,
                r.session_id, r.attempt, coalesce(r.number, '')
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )
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
    -- What decides about a row comes first in it: then the other columns of most rows are not read.
    ), merged AS MATERIALIZED (
        SELECT m.place, q.requested_at IS NOT NULL AND m.place IS NOT NULL AND (
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
            ) AS is_requested,
            m.place IS NOT NULL AND (
                least(m.true_first, c.true_first), greatest(m.true_last, c.true_last),
                greatest(m.false_last, c.false_last), least(m.true_arrival, c.true_arrival),
                least(m.true_unknown, c.true_unknown), least(m.false_unknown, c.false_unknown),
                least(m.vendor_message_id, q.vendor_message_id)
            ) IS DISTINCT FROM (
                m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown,
                m.vendor_message_id
            ) AS is_joined,
            m.before, least(m.true_first, c.true_first) AS true_first, greatest(m.true_last, c.true_last) AS true_last,
            greatest(m.false_last, c.false_last) AS false_last, least(m.true_arrival, c.true_arrival) AS true_arrival,
            least(m.true_unknown, c.true_unknown) AS true_unknown,
            least(m.false_unknown, c.false_unknown) AS false_unknown,
            least(m.vendor_message_id, q.vendor_message_id) AS vendor_message_id, bucket, account, message_id,
            q.requested_at, q.dimensions, q.reported_values, q.number, q.number_range, q.session_id, q.attempt,
            least(q.first, c.first) AS first
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
        RETURNING n.before, contribution(m, 1) AS after, m.session IS NULL AND m.session_id <> '' AS moves
    ), inserted AS (
        INSERT INTO messages AS m
            (bucket, account, message_id, id, requested_at, dimensions, reported_values, number, number_range, session_id,
             attempt, session, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown,
             vendor_message_id)
        SELECT bucket, account, message_id, first, requested_at, dimensions, reported_values, number, number_range,
            session_id, attempt, CASE WHEN session_id <> '' THEN 0 END, true_first, true_last, false_last, true_arrival,
            true_unknown, false_unknown, vendor_message_id
        -- In the order of the key, which spares an index most of the search for the next place.
        FROM merged WHERE place IS NULL ORDER BY bucket, account, message_id
        RETURNING contribution(m, 1) AS after
    )
    SELECT array_agg(part) FILTER (WHERE moves), array_agg(part) FILTER (WHERE NOT moves) INTO moved, verified FROM (
        SELECT after AS part, true AS moves FROM inserted
        UNION ALL SELECT before, moves FROM joined_again UNION ALL SELECT after, moves FROM joined_again
        UNION ALL SELECT before, true FROM requested_again UNION ALL SELECT after, true FROM requested_again
    ) AS parts;
END $$;

CREATE FUNCTION merge_rates(rates report[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO self_reported_rates
    SELECT DISTINCT 0, account, at, rate FROM unnest(rates) ORDER BY account, at, rate
    ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION merge_reports(
    batch_of reports, most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    known combination[];
    moved contribution[];
    verified contribution[];
    -- Without any receipt, their steps cost one look.
    any_receipt CONSTANT boolean := batch_of.receipts IS NOT NULL OR EXISTS (SELECT FROM receipts);
    left_ids vendor_id[];
    -- Likewise for conversions by number.
    any_number CONSTANT boolean := batch_of.number_conversions IS NOT NULL OR EXISTS (SELECT FROM number_conversions);
    left_places place[];
BEGIN
    IF batch_of.requests IS NOT NULL THEN
        known := find_dimensions(batch_of.requests, most_values, most_combinations, most_routes);
    END IF;
    IF any_number THEN
        left_places := places(batch_of.requests);
    END IF;
    IF any_receipt THEN
        left_ids := vendor_ids(batch_of.requests);
    END IF;
    IF batch_of.requests IS NOT NULL OR batch_of.conversions IS NOT NULL THEN
        SELECT m.moved, m.verified INTO moved, verified
        FROM merge_messages(batch_of.requests, batch_of.conversions, known) AS m;
    END IF;
    IF batch_of.rates IS NOT NULL THEN
        PERFORM merge_rates(batch_of.rates);
    END IF;
    IF any_receipt THEN
        moved := moved || merge_receipts(batch_of.receipts, batch_of.requests, left_ids);
    END IF;
    IF any_number THEN
        moved := moved || merge_numbers(batch_of.requests, batch_of.number_conversions, left_places);
    END IF;
    IF moved IS NOT NULL OR verified IS NOT NULL THEN
        PERFORM settle_moves(moved, verified, NULL);
    END IF;
END $$;

-- Applies the next entries of the journal, and returns the cursor after them. Returns NULL and does nothing if they begin
-- with an expiry or erasure, which takes more steps.
CREATE FUNCTION apply_reports(
    most bigint, most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    -- Another applier waits here, and then continues where this one has stopped.
    cursor_at CONSTANT bigint := (
        SELECT position FROM cursors WHERE bucket = 0 AND follower = 'ledger' AND writer = 1 FOR UPDATE
    );
    upto bigint;
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
    -- There is no cursor any more if a rebuild has replaced the ledger.
    IF cursor_at IS NULL OR upto = cursor_at THEN
        RETURN NULL;
    END IF;
    PERFORM merge_reports(unpack(cursor_at, upto), most_values, most_combinations, most_routes);
    UPDATE cursors SET position = upto WHERE bucket = 0 AND follower = 'ledger' AND writer = 1;
    RETURN upto;
END $$;

-- name: apply_reports
SELECT apply_reports(:limit, :values, :combinations, :routes);

-- name: merge_reports
SELECT merge_reports(unpack(:after, :upto), :values, :combinations, :routes);
