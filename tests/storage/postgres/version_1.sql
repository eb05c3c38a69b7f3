-- The tables of version 1 that a migration concerns, and the temporary tables of its applier.

-- name: state
CREATE TABLE versions (
    version integer PRIMARY KEY,        -- of the tables that a migration has made
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE writers (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    last bigint NOT NULL,           -- position of the writer's last entry; the first entry has position 1
    PRIMARY KEY (bucket, writer)
) WITH (fillfactor = 10);
INSERT INTO writers VALUES (0, 1, 0);

CREATE TABLE journal (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    seq bigint NOT NULL,            -- position of the row's last entry
    recorded_at bigint NOT NULL,
    unmatched_before bigint,        -- an expiry or erasure is alone in its row, and only it has these two values
    minutes_from bigint,            -- both are 0 in an erasure
    reports jsonb,                  -- list of reports, as model.py encodes them, or of one erasure; NULL in an expiry
    buckets smallint[],             -- of each report, that of its message; in an erasure, of each message in it
    nonces jsonb,                   -- list of [fingerprint, signed_at]
    token uuid NOT NULL,            -- random: shows whether a commit whose outcome is unknown was made
    erased boolean NOT NULL,        -- whether reports were erased from the row
    PRIMARY KEY (bucket, writer, seq)
);
DO $$ BEGIN
    ALTER TABLE journal ALTER reports SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
CREATE INDEX journal_erasures ON journal (seq) WHERE minutes_from = 0 AND reports IS NOT NULL AND NOT erased;

CREATE TABLE about (
    bucket smallint PRIMARY KEY,
    had_keys boolean NOT NULL       -- true once a server with access keys has used the database
);
INSERT INTO about VALUES (0, false);

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE
AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';

CREATE TABLE nodes (
    node uuid PRIMARY KEY,          -- random, of one run of a server
    name text NOT NULL,             -- host and port
    version text NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL,        -- when it last reported that it runs
    lag bigint NOT NULL             -- reports that it had acknowledged then and that were not in the ledger
) WITH (fillfactor = 10);

CREATE TABLE leases (
    name text PRIMARY KEY,
    node uuid NOT NULL,             -- who holds it, or held it last
    epoch bigint NOT NULL,          -- grows when it goes to another node
    until bigint NOT NULL           -- when it ends, unless it is renewed
) WITH (fillfactor = 10);

CREATE TABLE relay_cursor (
    one boolean PRIMARY KEY CHECK (one),
    position bigint NOT NULL        -- of the last journal entry that was planned
) WITH (fillfactor = 10);
INSERT INTO relay_cursor VALUES (true, 0);
CREATE TABLE relay_sends (
    send_id      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account      integer NOT NULL,
    message_id   text COLLATE "C" NOT NULL,
    vendor       integer NOT NULL,
    feedback     text NOT NULL,
    requested_at bigint NOT NULL,
    at           bigint NOT NULL,
    due_at       bigint NOT NULL,
    until        bigint NOT NULL,
    status       text NOT NULL,
    attempts     integer NOT NULL,
    code         text NOT NULL,
    reason       text NOT NULL,
    sent_at      bigint,
    answered_at  bigint,
    UNIQUE (account, message_id, vendor, feedback)
);
CREATE INDEX relay_waiting ON relay_sends (vendor, due_at, send_id) WHERE status = 'waiting';
CREATE INDEX relay_letters ON relay_sends (vendor, send_id) WHERE status IN ('dead', 'unknown');
CREATE INDEX relay_sending ON relay_sends (vendor) WHERE status = 'sending';
CREATE INDEX relay_by_time ON relay_sends (requested_at);
CREATE TABLE relay_counts (
    vendor integer NOT NULL,
    status text NOT NULL,
    sends  bigint NOT NULL,
    PRIMARY KEY (vendor, status)
) WITH (fillfactor = 10);
CREATE TABLE relay_contacts (
    vendor     integer PRIMARY KEY,
    state      text NOT NULL,
    error      text NOT NULL,
    changed_at bigint NOT NULL
) WITH (fillfactor = 10);

-- name: ledger
CREATE TABLE cursors (
    bucket smallint NOT NULL,
    follower text NOT NULL,
    writer integer NOT NULL,
    position bigint NOT NULL,       -- of the last journal entry of the writer that the follower has dealt with
    PRIMARY KEY (bucket, follower, writer)
);
INSERT INTO cursors VALUES (0, 'ledger', 1, 0);

CREATE TABLE horizons (
    bucket smallint PRIMARY KEY,
    minutes_from bigint NOT NULL,   -- from here on there are rollups by minute, before it by quarter of an hour
    messages_from bigint NOT NULL   -- all messages before this time were deleted, and no more are accepted
);
INSERT INTO horizons VALUES (0, 0, 0);

CREATE FUNCTION number_bucket(number bytea) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT (get_byte(number, 0) & 63)::smallint';
CREATE TABLE dimensions (
    bucket smallint NOT NULL,
    id integer NOT NULL GENERATED ALWAYS AS IDENTITY,
    account integer NOT NULL,
    day integer NOT NULL,           -- days since 1970
    country text COLLATE "C" NOT NULL, carrier text COLLATE "C" NOT NULL, provider text COLLATE "C" NOT NULL,
    template text COLLATE "C" NOT NULL, sender text COLLATE "C" NOT NULL, channel text COLLATE "C" NOT NULL,
    access_key text COLLATE "C" NOT NULL,
    folded boolean NOT NULL GENERATED ALWAYS AS (   -- a value is `(other)`, which stands for many values
        '(other)' IN (country, carrier, provider, template, sender, channel, access_key)
    ) STORED,
    PRIMARY KEY (bucket, account, day, country, carrier, provider, template, sender, channel, access_key)
);
CREATE UNIQUE INDEX dimensions_by_id ON dimensions (id, bucket);
CREATE INDEX dimensions_folded ON dimensions (account, day) WHERE folded;
CREATE TABLE dimension_values (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    day integer NOT NULL,
    dimension smallint NOT NULL,    -- 0 is country, 1 is carrier, …, in the order of the columns above
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, account, day, dimension, value)
);
CREATE TABLE messages (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    id bigint NOT NULL,             -- the position of its first report in the journal
    requested_at bigint,            -- NULL while unmatched
    dimensions integer,
    reported_values text[] COLLATE "C",     -- the values as reported, if one is counted as `(other)`; else NULL
    number bytea,
    number_range text,
    session_id text COLLATE "C",
    attempt integer,
    true_first bigint,
    true_last bigint,
    false_last bigint,
    true_arrival bigint,
    true_unknown bigint,
    false_unknown bigint,
    number_true bigint,             -- time of the first valid true conversion known by number only
    number_reported boolean,        -- whether there is any conversion known by number only; false or NULL if not
    session integer,                -- if it is the first of its session: how many of the others are verified; else NULL
    verified_at bigint GENERATED ALWAYS AS (
        least(
            CASE WHEN true_first > requested_at THEN true_first WHEN true_last > requested_at THEN true_last END,
            CASE WHEN true_arrival > requested_at AND true_arrival <= requested_at + 86400000 THEN true_arrival END,
            number_true
        )
    ) STORED,
    verified smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN requested_at IS NOT NULL AND (
            true_first > requested_at OR true_last > requested_at OR true_arrival IS NOT NULL OR true_unknown IS NOT NULL
            OR number_true IS NOT NULL
        ) THEN 1 ELSE 0 END
    ) STORED,
    reported smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN coalesce(true_first, false_last, true_arrival, true_unknown, false_unknown) IS NOT NULL
            OR number_reported THEN 1 ELSE 0 END
    ) STORED,
    delay_bin smallint GENERATED ALWAYS AS (    -- the bin of the time from request to verification, as model.delay_bin
        width_bucket(
            least(
                CASE WHEN true_first > requested_at THEN true_first WHEN true_last > requested_at THEN true_last END,
                CASE WHEN true_arrival > requested_at AND true_arrival <= requested_at + 86400000 THEN true_arrival END,
                number_true
            ) - requested_at,
            ARRAY[1000, 1415, 2000, 2829, 4000, 5657, 8000, 11314, 16000, 22628, 32000, 45255, 64000, 90510, 128000, 181020, 256000, 362039, 512000, 724078, 1024000, 1448155, 2048000, 2896310, 4096000, 5792619, 8192000, 11585238, 16384000, 23170476, 32768000, 46340951, 65536000, 92681901]::bigint[]
        )
    ) STORED,
    unmatched_at bigint GENERATED ALWAYS AS (   -- the time of its newest conversion, which decides when it expires
        CASE WHEN requested_at IS NULL THEN
            greatest(true_last, false_last, true_arrival, true_unknown, false_unknown)
        END
    ) STORED,
    PRIMARY KEY (bucket, account, message_id)
) WITH (fillfactor = 70);
CREATE INDEX messages_by_id ON messages (id);
CREATE INDEX messages_unmatched ON messages (unmatched_at) WHERE unmatched_at IS NOT NULL;
CREATE INDEX messages_by_number ON messages ((requested_at / 86400000), number, requested_at, message_id)
WHERE requested_at IS NOT NULL AND number IS NOT NULL;
CREATE INDEX messages_first_of_session ON messages (account, session_id) WHERE session IS NOT NULL;
CREATE INDEX messages_later_in_session ON messages (account, session_id, requested_at, message_id)
WHERE session IS NULL AND session_id <> '';
CREATE TYPE contribution AS (
    sign integer, id bigint, account integer, session_id text, requested_at bigint, dimensions integer,
    verified smallint, attempt integer, session integer, reported smallint, delay_bin smallint
);
CREATE FUNCTION contribution(m messages, sign integer) RETURNS contribution LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(
        sign, m.id, m.account, m.session_id, m.requested_at, m.dimensions, m.verified, m.attempt, m.session, m.reported,
        m.delay_bin
    )::contribution
$$;
CREATE VIEW message_states AS
SELECT m.bucket, m.id, m.account, m.message_id, m.requested_at, m.number, m.verified_at, m.reported,
    json_build_array(
        CASE WHEN m.requested_at IS NOT NULL THEN json_build_array(
            1, m.account, m.message_id, m.requested_at,
            coalesce(
                to_json(m.reported_values),
                json_build_array(d.country, d.carrier, d.provider, d.template, d.sender, d.channel, d.access_key)
            ),
            coalesce(encode(m.number, 'hex'), ''), m.number_range, m.session_id, m.attempt
        ) END,
        m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
    ) AS state
FROM messages AS m LEFT JOIN dimensions AS d ON d.id = m.dimensions;

CREATE TABLE number_conversions (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    number bytea NOT NULL,
    delivered boolean NOT NULL,
    conversion_time bigint NOT NULL,
    PRIMARY KEY (bucket, account, number, conversion_time, delivered)
);
CREATE TABLE routes (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    provider text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    requested bigint NOT NULL,
    verified bigint NOT NULL,
    PRIMARY KEY (bucket, account, provider, country),
    CHECK (0 <= verified AND verified <= requested)
) WITH (fillfactor = 70);
CREATE TABLE unmatched_hours (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    number bytea NOT NULL,
    start bigint NOT NULL,
    PRIMARY KEY (bucket, account, number, start)
);
CREATE INDEX unmatched_hours_by_time ON unmatched_hours (start);
CREATE TABLE unmatched (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    messages bigint NOT NULL CHECK (messages >= 0),
    numbers bigint NOT NULL CHECK (numbers >= 0),
    PRIMARY KEY (bucket, account)
) WITH (fillfactor = 70);

CREATE TABLE self_reported_rates (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    report_time bigint NOT NULL,
    rate double precision NOT NULL,
    PRIMARY KEY (bucket, account, report_time, rate)
);
CREATE TABLE rollups (
    bucket smallint NOT NULL,
    writer integer NOT NULL,
    grain integer NOT NULL,         -- length of the time slot, ms
    account integer NOT NULL,
    start bigint NOT NULL,
    dimensions integer NOT NULL,
    requested integer NOT NULL, verified integer NOT NULL, first_requested integer NOT NULL, first_verified integer NOT NULL, sessions integer NOT NULL, sessions_verified integer NOT NULL, reported integer NOT NULL,
    d0 integer NOT NULL, d1 integer NOT NULL, d2 integer NOT NULL, d3 integer NOT NULL, d4 integer NOT NULL, d5 integer NOT NULL, d6 integer NOT NULL, d7 integer NOT NULL, d8 integer NOT NULL, d9 integer NOT NULL, d10 integer NOT NULL, d11 integer NOT NULL, d12 integer NOT NULL, d13 integer NOT NULL, d14 integer NOT NULL, d15 integer NOT NULL, d16 integer NOT NULL, d17 integer NOT NULL, d18 integer NOT NULL, d19 integer NOT NULL, d20 integer NOT NULL, d21 integer NOT NULL, d22 integer NOT NULL, d23 integer NOT NULL, d24 integer NOT NULL, d25 integer NOT NULL, d26 integer NOT NULL, d27 integer NOT NULL, d28 integer NOT NULL, d29 integer NOT NULL, d30 integer NOT NULL, d31 integer NOT NULL, d32 integer NOT NULL, d33 integer NOT NULL, d34 integer NOT NULL,
    PRIMARY KEY (bucket, writer, grain, account, start, dimensions),
    CHECK (0 <= verified AND verified <= reported AND reported <= requested),
    CHECK (0 <= first_verified AND first_verified <= first_requested AND first_requested <= requested),
    CHECK (0 <= sessions_verified AND sessions_verified <= sessions)
) WITH (fillfactor = 50);
CREATE TABLE kept_counts (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    start bigint NOT NULL,
    dimensions integer NOT NULL,
    requested integer NOT NULL, verified integer NOT NULL, first_requested integer NOT NULL, first_verified integer NOT NULL, sessions integer NOT NULL, sessions_verified integer NOT NULL, reported integer NOT NULL,
    d0 integer NOT NULL, d1 integer NOT NULL, d2 integer NOT NULL, d3 integer NOT NULL, d4 integer NOT NULL, d5 integer NOT NULL, d6 integer NOT NULL, d7 integer NOT NULL, d8 integer NOT NULL, d9 integer NOT NULL, d10 integer NOT NULL, d11 integer NOT NULL, d12 integer NOT NULL, d13 integer NOT NULL, d14 integer NOT NULL, d15 integer NOT NULL, d16 integer NOT NULL, d17 integer NOT NULL, d18 integer NOT NULL, d19 integer NOT NULL, d20 integer NOT NULL, d21 integer NOT NULL, d22 integer NOT NULL, d23 integer NOT NULL, d24 integer NOT NULL, d25 integer NOT NULL, d26 integer NOT NULL, d27 integer NOT NULL, d28 integer NOT NULL, d29 integer NOT NULL, d30 integer NOT NULL, d31 integer NOT NULL, d32 integer NOT NULL, d33 integer NOT NULL, d34 integer NOT NULL,
    PRIMARY KEY (bucket, account, start, dimensions)
);

CREATE TYPE report AS (
    position bigint,                -- in the journal
    bucket smallint, kind smallint, account integer, at bigint, message_id text COLLATE "C", number bytea,
    delivered boolean, rate double precision,
    dimensions text COLLATE "C",    -- as JSON
    number_range text, session_id text COLLATE "C", attempt integer, timing smallint
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
CREATE FUNCTION batch_end(cursor_at bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce(
        (SELECT max(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > cursor_at AND seq <= cursor_at + most),
        (SELECT min(seq) FROM journal WHERE bucket = 0 AND writer = 1 AND seq > cursor_at),
        cursor_at
    );
END $$;
CREATE TYPE reports AS (
    requests report[], conversions report[], number_conversions report[], rates report[]
);
CREATE FUNCTION unpack(after bigint, upto bigint) RETURNS reports LANGUAGE plpgsql AS $$
DECLARE
    unpacked reports;
BEGIN
    SELECT array_agg(r) FILTER (WHERE kind IN (1, 4)), array_agg(r) FILTER (WHERE kind = 2 AND (r).message_id IS NOT NULL),
        array_agg(r) FILTER (WHERE kind = 2 AND (r).message_id IS NULL), array_agg(r) FILTER (WHERE kind = 3)
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
            CASE WHEN k.kind = 1 THEN (v ->> 8)::integer END, CASE WHEN k.kind = 2 THEN (v ->> 6)::smallint END
        )::report AS r
        FROM (
                SELECT reports, buckets, seq - jsonb_array_length(reports) AS before FROM journal
                WHERE bucket = 0 AND writer = 1 AND seq > after AND seq <= upto OFFSET 0
            ) AS b CROSS JOIN LATERAL ROWS FROM (jsonb_array_elements(b.reports), unnest(b.buckets)) WITH ORDINALITY
                AS e (v, bucket, n)
            CROSS JOIN LATERAL (SELECT (v ->> 0)::smallint AS kind OFFSET 0) AS k
        OFFSET 0
    ) AS each_report;
    RETURN unpacked;
END $$;
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
            min(r.position) OVER (PARTITION BY r.bucket, r.account, r.message_id) AS first
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
            (
                least(m.true_first, c.true_first), greatest(m.true_last, c.true_last),
                greatest(m.false_last, c.false_last), least(m.true_arrival, c.true_arrival),
                least(m.true_unknown, c.true_unknown), least(m.false_unknown, c.false_unknown)
            ) IS DISTINCT FROM (
                m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
            ) AS is_converted,
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
                    session_id, attempt, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown
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
            true_arrival = n.true_arrival, true_unknown = n.true_unknown, false_unknown = n.false_unknown
        FROM merged AS n WHERE m.ctid = n.place AND n.is_requested
        RETURNING n.before, contribution(m, 1) AS after
    ), converted_again AS (
        UPDATE messages AS m SET
            true_first = n.true_first, true_last = n.true_last, false_last = n.false_last,
            true_arrival = n.true_arrival, true_unknown = n.true_unknown, false_unknown = n.false_unknown
        FROM merged AS n WHERE m.ctid = n.place AND n.is_converted AND NOT n.is_requested
        RETURNING n.before, contribution(m, 1) AS after
    ), inserted AS (
        INSERT INTO messages AS m
            (bucket, account, message_id, id, requested_at, dimensions, reported_values, number, number_range, session_id,
             attempt, session, true_first, true_last, false_last, true_arrival, true_unknown, false_unknown)
        SELECT bucket, account, message_id, first, requested_at, dimensions, reported_values, number, number_range,
            session_id, attempt, CASE WHEN session_id <> '' THEN 0 END, true_first, true_last, false_last, true_arrival,
            true_unknown, false_unknown
        FROM merged WHERE place IS NULL
        RETURNING contribution(m, 1) AS after
    )
    SELECT array_agg(part) INTO moved FROM (
        SELECT after AS part FROM inserted
        UNION ALL SELECT before FROM converted_again UNION ALL SELECT after FROM converted_again
        UNION ALL SELECT before FROM requested_again UNION ALL SELECT after FROM requested_again
    ) AS parts;
    RETURN moved;
END $$;

CREATE FUNCTION merge_rates(rates report[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO self_reported_rates
    SELECT DISTINCT 0, account, at, rate FROM unnest(rates) ORDER BY account, at, rate
    ON CONFLICT DO NOTHING
$$;
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
CREATE FUNCTION merge_reports(
    batch_of reports, by_number boolean, most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    known combination[];
    moved contribution[];
BEGIN
    IF batch_of.requests IS NOT NULL THEN
        known := find_dimensions(batch_of.requests, most_values, most_combinations, most_routes);
    END IF;
    IF by_number THEN
        INSERT INTO batch SELECT * FROM unnest(batch_of.requests);
        INSERT INTO batch SELECT * FROM unnest(batch_of.number_conversions);
        PERFORM touch_places();
    END IF;
    IF batch_of.requests IS NOT NULL OR batch_of.conversions IS NOT NULL THEN
        moved := merge_messages(batch_of.requests, batch_of.conversions, known);
    END IF;
    IF batch_of.rates IS NOT NULL THEN
        PERFORM merge_rates(batch_of.rates);
    END IF;
    IF by_number THEN
        INSERT INTO contributions SELECT * FROM unnest(moved);
    ELSIF moved IS NOT NULL THEN
        PERFORM settle(moved, NULL);
    END IF;
END $$;
CREATE FUNCTION apply_reports(
    most bigint, most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
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

CREATE FUNCTION admit_combinations(most bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH new AS MATERIALIZED (
        SELECT account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key,
            min(first) AS first
        FROM combinations AS c WHERE dimensions IS NULL AND (
            SELECT d.id FROM dimensions AS d
            WHERE d.bucket = 0 AND d.account = c.account AND d.day = c.day AND d.country = c.as_country
                AND d.carrier = c.as_carrier AND d.provider = c.as_provider AND d.template = c.as_template
                AND d.sender = c.as_sender AND d.channel = c.as_channel AND d.access_key = c.as_access_key
        ) IS NULL
        GROUP BY account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key
    ), room AS MATERIALIZED (
        SELECT account, day, most
            - (SELECT count(*) FROM dimensions AS d WHERE d.bucket = 0 AND d.account = n.account AND d.day = n.day) AS room
        FROM (SELECT DISTINCT account, day FROM new) AS n
    )
    INSERT INTO dimensions (bucket, account, day, country, carrier, provider, template, sender, channel, access_key)
    SELECT 0, account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key
    FROM (SELECT *, row_number() OVER (PARTITION BY account, day ORDER BY first) AS nth FROM new) AS n
        JOIN room USING (account, day)
    WHERE nth <= room OR most IS NULL ORDER BY first;
    UPDATE combinations AS c SET dimensions = (
        SELECT d.id FROM dimensions AS d
        WHERE d.bucket = 0 AND d.account = c.account AND d.day = c.day AND d.country = c.as_country
            AND d.carrier = c.as_carrier AND d.provider = c.as_provider AND d.template = c.as_template
            AND d.sender = c.as_sender AND d.channel = c.as_channel AND d.access_key = c.as_access_key
    ) WHERE dimensions IS NULL;
END $$;

CREATE FUNCTION admit_values(most bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH new AS MATERIALIZED (
        SELECT c.account, c.day, v.dimension, v.value, min(c.first) AS first
        FROM combinations AS c CROSS JOIN LATERAL (VALUES
            (0, c.country), (1, c.carrier), (2, c.provider), (3, c.template), (4, c.sender), (5, c.channel),
            (6, c.access_key)
        ) AS v (dimension, value)
        WHERE c.dimensions IS NULL AND v.value <> '' AND (
            SELECT k.value FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = v.dimension
                AND k.value = v.value
        ) IS NULL
        GROUP BY c.account, c.day, v.dimension, v.value
    ), room AS MATERIALIZED (
        SELECT account, day, dimension, most - (
            SELECT count(*) FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = n.account AND k.day = n.day AND k.dimension = n.dimension
        ) AS room
        FROM (SELECT DISTINCT account, day, dimension FROM new) AS n
    )
    INSERT INTO dimension_values
    SELECT 0, account, day, dimension, value
    FROM (
        SELECT *, row_number() OVER (PARTITION BY account, day, dimension ORDER BY first) AS nth FROM new
    ) AS n JOIN room USING (account, day, dimension)
    WHERE nth <= room;
    UPDATE combinations AS c SET
        as_country = CASE WHEN c.country = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 0 AND k.value = c.country
        ) THEN c.country ELSE '(other)' END,
        as_carrier = CASE WHEN c.carrier = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 1 AND k.value = c.carrier
        ) THEN c.carrier ELSE '(other)' END,
        as_provider = CASE WHEN c.provider = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 2 AND k.value = c.provider
        ) THEN c.provider ELSE '(other)' END,
        as_template = CASE WHEN c.template = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 3 AND k.value = c.template
        ) THEN c.template ELSE '(other)' END,
        as_sender = CASE WHEN c.sender = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 4 AND k.value = c.sender
        ) THEN c.sender ELSE '(other)' END,
        as_channel = CASE WHEN c.channel = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 5 AND k.value = c.channel
        ) THEN c.channel ELSE '(other)' END,
        as_access_key = CASE WHEN c.access_key = '' OR EXISTS (
            SELECT 1 FROM dimension_values AS k
            WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = 6 AND k.value = c.access_key
        ) THEN c.access_key ELSE '(other)' END
    WHERE c.dimensions IS NULL;
END $$;
CREATE FUNCTION find_dimensions(
    requests report[], most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS combination[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known combination[];
BEGIN
    SELECT array_agg(ROW(
        c.account, c.day, c.country, c.carrier, c.provider, c.template, c.sender, c.channel, c.access_key, c.first, d.id,
        NULL, c.reported
    )::combination) INTO known
    FROM (
        SELECT account, day, reported, first, v ->> 0 AS country, v ->> 1 AS carrier, v ->> 2 AS provider,
            v ->> 3 AS template, v ->> 4 AS sender, v ->> 5 AS channel, coalesce(v ->> 6, '') AS access_key
        FROM (
            SELECT account, at / 86400000 AS day, dimensions AS reported, dimensions::jsonb AS v, min(position) AS first
            FROM unnest(requests) GROUP BY account, day, dimensions
        ) AS r
    ) AS c LEFT JOIN LATERAL (
        SELECT id FROM dimensions AS d
        WHERE d.bucket = 0 AND d.account = c.account AND d.day = c.day AND d.country = c.country
            AND d.carrier = c.carrier AND d.provider = c.provider AND d.template = c.template AND d.sender = c.sender
            AND d.channel = c.channel AND d.access_key = c.access_key
        OFFSET 0
    ) AS d ON true;
    IF NOT EXISTS (SELECT FROM unnest(known) WHERE dimensions IS NULL) THEN
        RETURN known;
    END IF;
    DELETE FROM combinations;
    INSERT INTO combinations
        (account, day, country, carrier, provider, template, sender, channel, access_key, first, dimensions,
         reported)
    SELECT account, day, country, carrier, provider, template, sender, channel, access_key, first, dimensions, reported
    FROM unnest(known);
    PERFORM admit_values(most_values);
    PERFORM admit_combinations(most_combinations);
    UPDATE combinations
    SET as_carrier = '(other)', as_template = '(other)', as_sender = '(other)', as_access_key = '(other)'
    WHERE dimensions IS NULL;
    PERFORM admit_combinations(most_combinations + most_routes);
    UPDATE combinations SET as_country = '(other)', as_provider = '(other)', as_channel = '(other)'
    WHERE dimensions IS NULL;
    PERFORM admit_combinations(NULL);
    SELECT array_agg(ROW(
        account, day, country, carrier, provider, template, sender, channel, access_key, first, dimensions,
        CASE WHEN (as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key)
            <> (country, carrier, provider, template, sender, channel, access_key) THEN
            ARRAY[country, carrier, provider, template, sender, channel, access_key]
        END, reported
    )::combination) INTO known FROM combinations;
    RETURN known;
END $$;

CREATE TYPE change AS (
    account integer, start bigint, dimensions integer,
    requested integer, verified integer, first_requested integer, first_verified integer, sessions integer, sessions_verified integer, reported integer,
    delay_bin smallint, more integer        -- this bin counts so many more messages; NULL: no bin does
);
CREATE FUNCTION resolve_sessions(moved contribution[]) RETURNS contribution[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    resolved contribution[];
BEGIN
    WITH touched AS (
        SELECT account, session_id, sum(sign * CASE WHEN session IS NULL THEN verified ELSE -session END) AS more,
            count(*) = 1 AND sum(sign) = 1 AS is_one_new
        FROM unnest(moved) WHERE session_id <> '' GROUP BY account, session_id
        HAVING sum(sign) <> 0 OR min(id) <> max(id) OR min(requested_at) <> max(requested_at)
            OR sum(sign * CASE WHEN session IS NULL THEN verified ELSE -session END) <> 0
    ), shared AS MATERIALIZED (
        SELECT account, session_id, more FROM touched AS t
        WHERE NOT is_one_new OR 1 < (
            SELECT count(*) FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
        )
    ), candidates AS MATERIALIZED (
        SELECT c.*, t.more FROM shared AS t CROSS JOIN LATERAL (
            SELECT m.ctid AS place, contribution(m, -1) AS before, m.message_id FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NOT NULL
            OFFSET 0
        ) AS c
        UNION ALL
        SELECT c.*, t.more FROM shared AS t CROSS JOIN LATERAL (
            SELECT m.ctid AS place, contribution(m, -1) AS before, m.message_id FROM messages AS m
            WHERE m.account = t.account AND m.session_id = t.session_id AND m.session IS NULL AND m.session_id <> ''
            ORDER BY m.requested_at, m.message_id LIMIT 1
        ) AS c
    ), decided AS MATERIALIZED (
        SELECT place, before,
            CASE WHEN row_number() OVER (
                PARTITION BY (before).account, (before).session_id ORDER BY (before).requested_at, message_id
            ) = 1 THEN
                more - (before).verified + sum(coalesce((before).session + (before).verified, 0))
                    OVER (PARTITION BY (before).account, (before).session_id)
            END AS session
        FROM candidates
    ), updated AS (
        UPDATE messages AS m SET session = d.session FROM decided AS d
        WHERE m.ctid = d.place AND (d.before).session IS DISTINCT FROM d.session
        RETURNING d.before, contribution(m, 1) AS after
    )
    SELECT array_agg(part) INTO resolved
    FROM (SELECT before AS part FROM updated UNION ALL SELECT after FROM updated) AS parts;
    RETURN resolved;
END $$;
CREATE FUNCTION settle_unmatched(moved contribution[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH changed AS MATERIALIZED (
        SELECT account, sum(sign) AS messages FROM unnest(moved) WHERE requested_at IS NULL
        GROUP BY account HAVING sum(sign) <> 0
    ), updated AS (
        UPDATE unmatched AS u SET messages = u.messages + c.messages FROM changed AS c
        WHERE u.bucket = 0 AND u.account = c.account RETURNING u.account
    )
    INSERT INTO unmatched SELECT 0, account, messages, 0 FROM changed WHERE account NOT IN (SELECT account FROM updated);
END $$;
CREATE FUNCTION settle(moved contribution[], kept change[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    edge CONSTANT bigint := (SELECT minutes_from FROM horizons WHERE bucket = 0);
    resolved CONSTANT contribution[] := resolve_sessions(moved);
BEGIN
    IF EXISTS (SELECT FROM unnest(moved) WHERE requested_at IS NULL) THEN
        PERFORM settle_unmatched(moved);
    END IF;
    WITH changes AS (
        SELECT account, requested_at / 60000 * 60000 AS start, dimensions,
            sign AS requested, sign * verified AS verified,
            CASE WHEN attempt = 1 THEN sign ELSE 0 END AS first_requested,
            CASE WHEN attempt = 1 THEN sign * verified ELSE 0 END AS first_verified,
            CASE WHEN session IS NULL THEN 0 ELSE sign END AS sessions,
            CASE WHEN session > 0 OR session = 0 AND verified = 1 THEN sign ELSE 0 END AS sessions_verified,
            sign * reported AS reported, delay_bin, sign AS more
        FROM unnest(moved || resolved) WHERE requested_at IS NOT NULL
        UNION ALL
        SELECT account, start, dimensions, requested, verified, first_requested, first_verified, sessions, sessions_verified, reported, delay_bin, more FROM unnest(kept)
    ), slots AS MATERIALIZED (
        SELECT grain, account, start / grain * grain AS start, dimensions,
            sum(requested)::integer AS requested, sum(verified)::integer AS verified, sum(first_requested)::integer AS first_requested, sum(first_verified)::integer AS first_verified, sum(sessions)::integer AS sessions, sum(sessions_verified)::integer AS sessions_verified, sum(reported)::integer AS reported,
            coalesce(sum(more) FILTER (WHERE delay_bin = 0), 0)::integer AS d0, coalesce(sum(more) FILTER (WHERE delay_bin = 1), 0)::integer AS d1, coalesce(sum(more) FILTER (WHERE delay_bin = 2), 0)::integer AS d2, coalesce(sum(more) FILTER (WHERE delay_bin = 3), 0)::integer AS d3, coalesce(sum(more) FILTER (WHERE delay_bin = 4), 0)::integer AS d4, coalesce(sum(more) FILTER (WHERE delay_bin = 5), 0)::integer AS d5, coalesce(sum(more) FILTER (WHERE delay_bin = 6), 0)::integer AS d6, coalesce(sum(more) FILTER (WHERE delay_bin = 7), 0)::integer AS d7, coalesce(sum(more) FILTER (WHERE delay_bin = 8), 0)::integer AS d8, coalesce(sum(more) FILTER (WHERE delay_bin = 9), 0)::integer AS d9, coalesce(sum(more) FILTER (WHERE delay_bin = 10), 0)::integer AS d10, coalesce(sum(more) FILTER (WHERE delay_bin = 11), 0)::integer AS d11, coalesce(sum(more) FILTER (WHERE delay_bin = 12), 0)::integer AS d12, coalesce(sum(more) FILTER (WHERE delay_bin = 13), 0)::integer AS d13, coalesce(sum(more) FILTER (WHERE delay_bin = 14), 0)::integer AS d14, coalesce(sum(more) FILTER (WHERE delay_bin = 15), 0)::integer AS d15, coalesce(sum(more) FILTER (WHERE delay_bin = 16), 0)::integer AS d16, coalesce(sum(more) FILTER (WHERE delay_bin = 17), 0)::integer AS d17, coalesce(sum(more) FILTER (WHERE delay_bin = 18), 0)::integer AS d18, coalesce(sum(more) FILTER (WHERE delay_bin = 19), 0)::integer AS d19, coalesce(sum(more) FILTER (WHERE delay_bin = 20), 0)::integer AS d20, coalesce(sum(more) FILTER (WHERE delay_bin = 21), 0)::integer AS d21, coalesce(sum(more) FILTER (WHERE delay_bin = 22), 0)::integer AS d22, coalesce(sum(more) FILTER (WHERE delay_bin = 23), 0)::integer AS d23, coalesce(sum(more) FILTER (WHERE delay_bin = 24), 0)::integer AS d24, coalesce(sum(more) FILTER (WHERE delay_bin = 25), 0)::integer AS d25, coalesce(sum(more) FILTER (WHERE delay_bin = 26), 0)::integer AS d26, coalesce(sum(more) FILTER (WHERE delay_bin = 27), 0)::integer AS d27, coalesce(sum(more) FILTER (WHERE delay_bin = 28), 0)::integer AS d28, coalesce(sum(more) FILTER (WHERE delay_bin = 29), 0)::integer AS d29, coalesce(sum(more) FILTER (WHERE delay_bin = 30), 0)::integer AS d30, coalesce(sum(more) FILTER (WHERE delay_bin = 31), 0)::integer AS d31, coalesce(sum(more) FILTER (WHERE delay_bin = 32), 0)::integer AS d32, coalesce(sum(more) FILTER (WHERE delay_bin = 33), 0)::integer AS d33, coalesce(sum(more) FILTER (WHERE delay_bin = 34), 0)::integer AS d34
        FROM (SELECT *, CASE WHEN start < edge THEN 900000 ELSE 60000 END AS grain FROM changes) AS c
        GROUP BY grain, account, c.start / grain * grain, dimensions
        HAVING (sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions), sum(sessions_verified), sum(reported), coalesce(sum(more) FILTER (WHERE delay_bin = 0), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 1), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 2), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 3), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 4), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 5), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 6), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 7), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 8), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 9), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 10), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 11), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 12), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 13), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 14), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 15), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 16), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 17), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 18), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 19), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 20), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 21), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 22), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 23), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 24), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 25), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 26), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 27), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 28), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 29), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 30), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 31), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 32), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 33), 0), coalesce(sum(more) FILTER (WHERE delay_bin = 34), 0)) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    ), hours AS MATERIALIZED (
        SELECT 3600000 AS grain, account, start / 3600000 * 3600000 AS start, dimensions,
            sum(requested)::integer AS requested, sum(verified)::integer AS verified, sum(first_requested)::integer AS first_requested, sum(first_verified)::integer AS first_verified, sum(sessions)::integer AS sessions, sum(sessions_verified)::integer AS sessions_verified, sum(reported)::integer AS reported,
            sum(d0)::integer AS d0, sum(d1)::integer AS d1, sum(d2)::integer AS d2, sum(d3)::integer AS d3, sum(d4)::integer AS d4, sum(d5)::integer AS d5, sum(d6)::integer AS d6, sum(d7)::integer AS d7, sum(d8)::integer AS d8, sum(d9)::integer AS d9, sum(d10)::integer AS d10, sum(d11)::integer AS d11, sum(d12)::integer AS d12, sum(d13)::integer AS d13, sum(d14)::integer AS d14, sum(d15)::integer AS d15, sum(d16)::integer AS d16, sum(d17)::integer AS d17, sum(d18)::integer AS d18, sum(d19)::integer AS d19, sum(d20)::integer AS d20, sum(d21)::integer AS d21, sum(d22)::integer AS d22, sum(d23)::integer AS d23, sum(d24)::integer AS d24, sum(d25)::integer AS d25, sum(d26)::integer AS d26, sum(d27)::integer AS d27, sum(d28)::integer AS d28, sum(d29)::integer AS d29, sum(d30)::integer AS d30, sum(d31)::integer AS d31, sum(d32)::integer AS d32, sum(d33)::integer AS d33, sum(d34)::integer AS d34
        FROM slots GROUP BY account, slots.start / 3600000 * 3600000, dimensions
    ), days AS MATERIALIZED (
        SELECT 86400000 AS grain, account, start / 86400000 * 86400000 AS start, dimensions,
            sum(requested)::integer AS requested, sum(verified)::integer AS verified, sum(first_requested)::integer AS first_requested, sum(first_verified)::integer AS first_verified, sum(sessions)::integer AS sessions, sum(sessions_verified)::integer AS sessions_verified, sum(reported)::integer AS reported,
            sum(d0)::integer AS d0, sum(d1)::integer AS d1, sum(d2)::integer AS d2, sum(d3)::integer AS d3, sum(d4)::integer AS d4, sum(d5)::integer AS d5, sum(d6)::integer AS d6, sum(d7)::integer AS d7, sum(d8)::integer AS d8, sum(d9)::integer AS d9, sum(d10)::integer AS d10, sum(d11)::integer AS d11, sum(d12)::integer AS d12, sum(d13)::integer AS d13, sum(d14)::integer AS d14, sum(d15)::integer AS d15, sum(d16)::integer AS d16, sum(d17)::integer AS d17, sum(d18)::integer AS d18, sum(d19)::integer AS d19, sum(d20)::integer AS d20, sum(d21)::integer AS d21, sum(d22)::integer AS d22, sum(d23)::integer AS d23, sum(d24)::integer AS d24, sum(d25)::integer AS d25, sum(d26)::integer AS d26, sum(d27)::integer AS d27, sum(d28)::integer AS d28, sum(d29)::integer AS d29, sum(d30)::integer AS d30, sum(d31)::integer AS d31, sum(d32)::integer AS d32, sum(d33)::integer AS d33, sum(d34)::integer AS d34
        FROM hours GROUP BY account, hours.start / 86400000 * 86400000, dimensions
    ), deltas AS MATERIALIZED (
        SELECT d.*, r.place, d.requested < 0 AND r.requested + d.requested = 0 AND r.sessions + d.sessions = 0 AS is_empty
        FROM (SELECT * FROM slots UNION ALL SELECT * FROM hours UNION ALL SELECT * FROM days) AS d
            LEFT JOIN LATERAL (
                SELECT ctid AS place, requested, sessions FROM rollups AS r
                WHERE r.bucket = 0 AND r.writer = 1 AND r.grain = d.grain AND r.account = d.account
                    AND r.start = d.start AND r.dimensions = d.dimensions
                OFFSET 0
            ) AS r ON true
    ), updated AS (
        UPDATE rollups AS r SET requested = r.requested + d.requested, verified = r.verified + d.verified, first_requested = r.first_requested + d.first_requested, first_verified = r.first_verified + d.first_verified, sessions = r.sessions + d.sessions, sessions_verified = r.sessions_verified + d.sessions_verified, reported = r.reported + d.reported, d0 = r.d0 + d.d0, d1 = r.d1 + d.d1, d2 = r.d2 + d.d2, d3 = r.d3 + d.d3, d4 = r.d4 + d.d4, d5 = r.d5 + d.d5, d6 = r.d6 + d.d6, d7 = r.d7 + d.d7, d8 = r.d8 + d.d8, d9 = r.d9 + d.d9, d10 = r.d10 + d.d10, d11 = r.d11 + d.d11, d12 = r.d12 + d.d12, d13 = r.d13 + d.d13, d14 = r.d14 + d.d14, d15 = r.d15 + d.d15, d16 = r.d16 + d.d16, d17 = r.d17 + d.d17, d18 = r.d18 + d.d18, d19 = r.d19 + d.d19, d20 = r.d20 + d.d20, d21 = r.d21 + d.d21, d22 = r.d22 + d.d22, d23 = r.d23 + d.d23, d24 = r.d24 + d.d24, d25 = r.d25 + d.d25, d26 = r.d26 + d.d26, d27 = r.d27 + d.d27, d28 = r.d28 + d.d28, d29 = r.d29 + d.d29, d30 = r.d30 + d.d30, d31 = r.d31 + d.d31, d32 = r.d32 + d.d32, d33 = r.d33 + d.d33, d34 = r.d34 + d.d34
        FROM deltas AS d WHERE r.ctid = d.place AND NOT d.is_empty
    ), emptied AS (
        DELETE FROM rollups AS r USING deltas AS d WHERE r.ctid = d.place AND d.is_empty
    ), inserted AS (
        INSERT INTO rollups
        SELECT 0, 1, grain, account, start, dimensions, requested, verified, first_requested, first_verified, sessions, sessions_verified, reported, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15, d16, d17, d18, d19, d20, d21, d22, d23, d24, d25, d26, d27, d28, d29, d30, d31, d32, d33, d34 FROM deltas
        WHERE place IS NULL AND (requested <> 0 OR sessions <> 0)
    ), routed AS MATERIALIZED (
        SELECT c.*, r.place FROM (
            SELECT d.account, d.provider, d.country, sum(days.requested) AS requested, sum(days.verified) AS verified
            FROM days JOIN dimensions AS d ON d.id = days.dimensions
            GROUP BY d.account, d.provider, d.country
        ) AS c LEFT JOIN LATERAL (
            SELECT ctid AS place FROM routes AS r
            WHERE r.bucket = 0 AND r.account = c.account AND r.provider = c.provider AND r.country = c.country
            OFFSET 0
        ) AS r ON true
    ), rerouted AS (
        UPDATE routes AS r SET requested = r.requested + c.requested, verified = r.verified + c.verified
        FROM routed AS c WHERE r.ctid = c.place AND (c.requested, c.verified) <> (0, 0)
    )
    INSERT INTO routes SELECT 0, account, provider, country, requested, verified FROM routed WHERE place IS NULL;
END $$;

CREATE FUNCTION note_unmatched_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unmatched AS u
    SELECT 0, account, 0, count(*) FROM (
        SELECT n.account, n.number FROM changed_rows AS n GROUP BY n.account, n.number
        HAVING count(*) = (
            SELECT count(*) FROM unmatched_hours AS h
            WHERE h.bucket = number_bucket(n.number) AND h.account = n.account AND h.number = n.number
        )
    ) AS c GROUP BY account
    ON CONFLICT (bucket, account) DO UPDATE SET numbers = u.numbers + excluded.numbers;
    RETURN NULL;
END $$;

CREATE FUNCTION note_matched_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE unmatched AS u SET numbers = u.numbers - c.matched FROM (
        SELECT account, count(*) AS matched FROM (
            SELECT DISTINCT o.account, o.number FROM old_rows AS o WHERE NOT EXISTS (
                SELECT 1 FROM unmatched_hours AS h
                WHERE h.bucket = number_bucket(o.number) AND h.account = o.account AND h.number = o.number
            )
        ) AS gone GROUP BY account
    ) AS c WHERE u.bucket = 0 AND u.account = c.account;
    RETURN NULL;
END $$;

CREATE TRIGGER inserted AFTER INSERT ON unmatched_hours REFERENCING NEW TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_unmatched_numbers();
CREATE TRIGGER deleted AFTER DELETE ON unmatched_hours REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_matched_numbers();

-- name: applier
SET synchronous_commit = off;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_mergejoin = off;
CREATE TEMP TABLE IF NOT EXISTS batch (
    position bigint,                -- in the journal
    bucket smallint, kind smallint, account integer, at bigint, message_id text COLLATE "C", number bytea,
    delivered boolean, rate double precision,
    dimensions text COLLATE "C", number_range text, session_id text COLLATE "C", attempt integer, timing smallint
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_places (id bigint, account integer, number bytea, requested_at bigint, message_id text COLLATE "C")
ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_messages (
    id bigint PRIMARY KEY,
    until bigint                    -- the last instant at which a conversion of its number belongs to it
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS combinations (
    account integer, day integer,
    country text COLLATE "C", carrier text COLLATE "C", provider text COLLATE "C", template text COLLATE "C",
    sender text COLLATE "C", channel text COLLATE "C", access_key text COLLATE "C",
    first bigint,                   -- the first position in the batch that has this combination
    as_country text COLLATE "C", as_carrier text COLLATE "C", as_provider text COLLATE "C",
    as_template text COLLATE "C", as_sender text COLLATE "C", as_channel text COLLATE "C",
    as_access_key text COLLATE "C", -- the values it is to be counted as, until that is decided
    dimensions integer,             -- the combination that counts it, once decided
    reported text COLLATE "C"       -- the values as reported, as JSON
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS touched_hours (
    account integer, number bytea, start bigint,
    first bigint, last bigint,      -- the range of instants that no message explains
    PRIMARY KEY (account, number, start)
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS changes (       -- see the type `change`
    account integer, start bigint, dimensions integer,
    requested integer, verified integer, first_requested integer, first_verified integer, sessions integer, sessions_verified integer, reported integer,
    delay_bin smallint, more integer        -- this bin counts so many more messages; NULL: no bin does
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS contributions (     -- see the type `contribution`
    sign integer, id bigint, account integer, session_id text, requested_at bigint, dimensions integer,
    verified smallint, attempt integer, session integer, reported smallint, delay_bin smallint
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS erased_messages (id bigint PRIMARY KEY) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS kept (
    account integer, start bigint, dimensions integer,
    requested integer, verified integer, first_requested integer, first_verified integer, sessions integer, sessions_verified integer, reported integer,
    delays jsonb                    -- list of [bin, messages]
) ON COMMIT DELETE ROWS;
