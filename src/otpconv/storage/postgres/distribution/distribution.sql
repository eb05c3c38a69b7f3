-- The messages on the workers of a Citus. The applier brings the rows that a batch concerns into the table `messages` of the
-- ledger, merges there as on a plain PostgreSQL, and stores what has changed, all in one transaction.

-- name: is_distributed
SELECT to_regclass(:schema || '.stored_messages') IS NOT NULL;

-- name: shards
SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = CAST(:table AS regclass);

-- name: tables
-- The distributed tables of otpconv, each with its column of distribution and what it is colocated with.
SELECT logicalrelid::text, coalesce(column_to_column_name(logicalrelid, partkey), ''), colocationid
FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid
WHERE c.relnamespace IN (to_regnamespace(:schema), to_regnamespace(:ledger), to_regnamespace(:stored))
ORDER BY 1;

-- name: workers
-- How many shards of the messages each node has, and whether it is there and may have shards.
SELECT n.nodename || ':' || n.nodeport, n.isactive, n.shouldhaveshards,
    count(p.shardid) FILTER (WHERE p.shardid IN (SELECT shardid FROM pg_dist_shard WHERE logicalrelid = CAST(:table AS regclass)))
FROM pg_dist_node AS n LEFT JOIN pg_dist_placement AS p ON p.groupid = n.groupid
WHERE n.noderole = 'primary' GROUP BY 1, 2, 3 ORDER BY 1;

-- name: unreachable
SELECT nodename || ':' || nodeport FROM run_command_on_workers('SELECT 1') WHERE NOT success ORDER BY 1;

-- name: extension
SELECT extversion FROM pg_extension WHERE extname = 'citus';

-- name: tables_schema
-- Each row has the values of the combination that counts it, so that a message is read from one shard. An applier of version 1
-- writes them into another column, `combination`: it fails, and so never drops columns that it does not know.
CREATE TABLE stored_messages (
    LIKE messages INCLUDING GENERATED,
    counted_as text[] COLLATE "C",
    PRIMARY KEY (bucket, account, message_id)
) WITH (fillfactor = 70);
CREATE INDEX stored_messages_by_id ON stored_messages (id);
CREATE INDEX stored_messages_unmatched ON stored_messages (unmatched_at) WHERE unmatched_at IS NOT NULL;
CREATE INDEX stored_messages_by_number ON stored_messages ((requested_at / 86400000), number, requested_at, message_id)
WHERE requested_at IS NOT NULL AND number IS NOT NULL;
CREATE INDEX stored_messages_of_number ON stored_messages (number, requested_at, message_id) WHERE number IS NOT NULL;
CREATE INDEX stored_messages_by_vendor_id ON stored_messages (account, vendor_message_id, requested_at, message_id)
WHERE vendor_message_id IS NOT NULL;
CREATE INDEX stored_messages_first_of_session ON stored_messages (account, session_id) WHERE session IS NOT NULL;
CREATE INDEX stored_messages_later_in_session ON stored_messages (account, session_id, requested_at, message_id)
WHERE session IS NULL AND session_id <> '';

-- The messages of a number, in the bucket of the number: a conversion by number finds its message in one shard.
CREATE TABLE number_messages (
    bucket smallint NOT NULL,
    account integer NOT NULL,
    number bytea NOT NULL,
    requested_at bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, account, number, requested_at, message_id)
);
-- Only the rows of one batch are in it, and only until it commits.
ALTER TABLE messages SET UNLOGGED;
INSERT INTO cursors VALUES (0, 'stored', 1, 0);

-- name: distribute
SELECT create_distributed_table('stored_messages', 'bucket', shard_count => CAST(:shards AS integer), colocate_with => 'none');
SELECT create_distributed_table('number_messages', 'bucket', colocate_with => 'stored_messages');

-- name: views_schema
-- What others than the applier see as `messages`: their search path begins with the schema of these views.
CREATE VIEW messages AS SELECT * FROM stored_messages;
CREATE VIEW message_states AS
SELECT m.bucket, m.id, m.account, m.message_id, m.requested_at, m.number, m.verified_at, m.reported,
    CASE WHEN m.receipt IS NOT NULL THEN coalesce(m.vendor_message_id, m.message_id) END AS receipts_of,
    json_build_array(
        CASE WHEN m.requested_at IS NOT NULL THEN json_build_array(
            1, m.account, m.message_id, m.requested_at, to_json(coalesce(m.reported_values, m.counted_as)),
            coalesce(encode(m.number, 'hex'), ''), m.number_range, m.session_id, m.attempt,
            coalesce(m.vendor_message_id, '')
        ) END,
        m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
    ) AS state
FROM stored_messages AS m;

-- name: states
-- Of one bucket. Citus plans it once for all buckets, since it names one table and no view.
SELECT m.message_id, m.requested_at, coalesce(m.reported_values, m.counted_as), encode(m.number, 'hex'), m.number_range,
    m.session_id, m.attempt, m.vendor_message_id,
    m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
FROM stored_messages AS m
WHERE m.bucket = :bucket AND m.account = :account AND m.message_id = ANY (CAST(:message_ids AS text[]));

-- name: outlines
SELECT m.message_id, m.requested_at, encode(m.number, 'hex'),
    m.true_first, m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown
FROM stored_messages AS m
WHERE m.bucket = :bucket AND m.account = :account AND m.message_id = ANY (CAST(:message_ids AS text[]));

-- name: message_of_number
SELECT message_id FROM number_messages AS m
WHERE m.bucket = :bucket AND m.account = :account AND m.number = CAST(:number AS bytea)
    AND m.requested_at >= CAST(:at AS bigint) - 86400000 AND m.requested_at <= CAST(:at AS bigint)
ORDER BY m.requested_at DESC, m.message_id DESC LIMIT 1;

-- name: known_conversions
SELECT c.n::integer
FROM unnest(
    CAST(:accounts AS integer[]), CAST(:numbers AS bytea[]), CAST(:times AS bigint[]), CAST(:delivered AS boolean[])
) WITH ORDINALITY AS c (account, number, at, delivered, n) CROSS JOIN LATERAL (
    SELECT FROM number_conversions AS k
    WHERE k.bucket = number_bucket(c.number) AND k.account = c.account AND k.number = c.number
        AND k.delivered = c.delivered AND k.conversion_time = c.at
    OFFSET 0
) AS k;

-- name: days_of_number
SELECT DISTINCT requested_at / 86400000 AS day FROM stored_messages
WHERE number = decode(:number, 'hex') AND requested_at IS NOT NULL ORDER BY day DESC LIMIT :most;

-- name: messages_of_number
SELECT s.message_id, s.state::text, s.verified_at, s.reported, s.receipts_of FROM message_states AS s
WHERE s.requested_at / 86400000 = :day AND s.number = decode(:number, 'hex') AND s.account = :account
    AND s.requested_at IS NOT NULL
ORDER BY s.requested_at DESC, s.message_id DESC LIMIT :most;

-- name: near_messages
-- Brought to the coordinator for `places`: some messages, and the next one of its number after each. Each shard gives its own
-- next one: working_set.sql says how.
SELECT m.account, m.number, m.id, m.requested_at, m.message_id
FROM stored_messages AS m JOIN (
    SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
) AS e ON e.value = m.id
WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL
UNION
SELECT m.account, m.number, m.id, m.requested_at, m.message_id
FROM (
    SELECT s.number, s.requested_at, s.message_id FROM (
        SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
    ) AS e JOIN stored_messages AS s ON s.id = e.value
    WHERE s.requested_at IS NOT NULL AND s.number IS NOT NULL
    OFFSET 0
) AS n CROSS JOIN LATERAL (
    SELECT DISTINCT l.bucket, l.account, l.number, l.id, l.requested_at, l.message_id FROM (
        SELECT * FROM stored_messages AS l
        WHERE l.number = n.number AND l.requested_at <= n.requested_at + 86400000
            AND (l.requested_at, l.message_id) > (n.requested_at, n.message_id)
        ORDER BY l.requested_at, l.message_id LIMIT 1
    ) AS l
) AS m

-- name: fellow_messages
-- Brought to the coordinator for `fellows`: some messages, and as many others of their sessions as it looks for.
SELECT m.id, m.account, m.session_id, m.session
FROM stored_messages AS m JOIN (
    SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
) AS e ON e.value = m.id
WHERE m.session_id <> ''
UNION
SELECT m.id, m.account, m.session_id, m.session
FROM (
    SELECT DISTINCT s.account, s.session_id FROM (
        SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
    ) AS e JOIN stored_messages AS s ON s.id = e.value
    WHERE s.session_id <> ''
    OFFSET 0
) AS n CROSS JOIN LATERAL (
    SELECT DISTINCT f.bucket, f.id, f.account, f.session_id, f.session FROM (
        SELECT * FROM stored_messages AS f
        WHERE f.account = n.account AND f.session_id = n.session_id AND f.session IS NOT NULL LIMIT 1
    ) AS f
) AS m
UNION
SELECT m.id, m.account, m.session_id, m.session
FROM (
    SELECT s.account, s.session_id, CAST(:most AS bigint) + count(*) AS most FROM (
        SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
    ) AS e JOIN stored_messages AS s ON s.id = e.value
    WHERE s.session_id <> ''
    GROUP BY s.account, s.session_id
    OFFSET 0
) AS n CROSS JOIN LATERAL (
    SELECT DISTINCT f.bucket, f.id, f.account, f.session_id, f.session FROM (
        SELECT * FROM stored_messages AS f
        WHERE f.account = n.account AND f.session_id = n.session_id AND f.session IS NULL AND f.session_id <> ''
        ORDER BY f.requested_at, f.message_id LIMIT n.most
    ) AS f
) AS m

-- name: sharing_messages
-- Brought to the coordinator for `receipts_of`: some messages, and of the others that have or name the same ids of vendors
-- one at least.
SELECT m.bucket, m.account, m.message_id, m.vendor_message_id, m.requested_at, m.id
FROM stored_messages AS m JOIN (
    SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
) AS e ON e.value = m.id
UNION
SELECT m.bucket, m.account, m.message_id, m.vendor_message_id, m.requested_at, m.id
FROM (
    SELECT s.account, coalesce(s.vendor_message_id, s.message_id) AS named, 1 + count(*) AS most FROM (
        SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
    ) AS e JOIN stored_messages AS s ON s.id = e.value
    GROUP BY s.account, coalesce(s.vendor_message_id, s.message_id)
    OFFSET 0
) AS n CROSS JOIN LATERAL (
    SELECT DISTINCT o.bucket, o.account, o.message_id, o.vendor_message_id, o.requested_at, o.id FROM (
        SELECT * FROM stored_messages AS o WHERE o.account = n.account AND o.vendor_message_id = n.named
        ORDER BY o.requested_at, o.message_id LIMIT n.most
    ) AS o
) AS m
UNION
SELECT m.bucket, m.account, m.message_id, m.vendor_message_id, m.requested_at, m.id
FROM stored_messages AS m JOIN (
    SELECT r.bucket, r.account, r.vendor_message_id FROM receipts AS r JOIN (
        SELECT DISTINCT s.account, s.vendor_message_id FROM (
            SELECT value::bigint AS value FROM json_array_elements_text(CAST(:ids AS json)) AS value
        ) AS e JOIN stored_messages AS s ON s.id = e.value
        WHERE s.vendor_message_id IS NOT NULL
        OFFSET 0
    ) AS n ON r.account = n.account AND r.vendor_message_id = n.vendor_message_id
    OFFSET 0
) AS r ON m.bucket = r.bucket AND m.account = r.account AND m.message_id = r.vendor_message_id
WHERE m.vendor_message_id IS NULL

-- name: explaining_messages
-- Brought to the coordinator for `wrong_unmatched`: the messages without a request, and those that can explain a conversion.
SELECT m.account, m.number, m.requested_at FROM stored_messages AS m WHERE m.requested_at IS NULL
UNION ALL
SELECT m.account, m.number, m.requested_at
FROM stored_messages AS m JOIN (SELECT DISTINCT number FROM number_conversions OFFSET 0) AS n ON n.number = m.number
WHERE m.requested_at IS NOT NULL

-- name: mentioned_schema
-- Which messages some rows of the journal name, and which of them exist: a deletion asks for no more.
CREATE TEMP TABLE IF NOT EXISTS named (bucket smallint, account integer, message_id text COLLATE "C");
CREATE TEMP TABLE IF NOT EXISTS mentioned (bucket smallint, account integer, message_id text COLLATE "C", PRIMARY KEY (bucket, account, message_id));

-- name: find_mentioned
DELETE FROM named;
DELETE FROM mentioned;
INSERT INTO named
SELECT DISTINCT r.bucket, (r.v ->> 1)::integer AS account, r.v ->> 4 AS message_id
FROM journal AS b CROSS JOIN LATERAL
    ROWS FROM (jsonb_array_elements(b.reports), unnest(b.buckets)) WITH ORDINALITY AS r (v, bucket, n)
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq > :after AND b.seq <= :upto AND r.v ->> 0 = '2';
INSERT INTO mentioned
SELECT s.bucket, s.account, s.message_id
FROM stored_messages AS s JOIN named AS n
    ON s.bucket = n.bucket AND s.account = n.account AND s.message_id = n.message_id;
