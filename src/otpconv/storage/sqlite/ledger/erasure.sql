-- How the applier applies an erasure. It takes the messages out of the ledger and of the rollups, and adds the counts that
-- the erasure keeps. So the result is the same whether or not their reports were in the journal.

-- name: erasure_schema
CREATE TEMP TABLE erased_messages (id INTEGER PRIMARY KEY);
CREATE TEMP TABLE kept (
    account INTEGER, start INTEGER, dimensions INTEGER,
    {count: $count INTEGER},
    delays TEXT     -- JSON list of [bin, messages]
);

-- name: is_erasure
SELECT reports IS NOT NULL FROM journal.batches WHERE seq = :seq;

-- name: find_erased
DELETE FROM erased_messages;
INSERT INTO erased_messages
SELECT m.id
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][3]') AS e CROSS JOIN messages AS m
    ON m.account = e.value ->> 0 AND m.message_id = e.value ->> 1
WHERE b.seq = :seq;

-- name: find_erased_conversions
-- As if they were reported now, so that the messages and hours that they concern are touched.
INSERT INTO batch (kind, account, at, number, delivered)
SELECT 2, c.account, c.conversion_time, c.number, c.delivered
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][4]') AS e CROSS JOIN number_conversions AS c
    ON c.account = e.value ->> 0 AND c.number = unhex(e.value ->> 1) AND c.delivered IN (0, 1)
    AND c.conversion_time BETWEEN e.value ->> 2 AND e.value ->> 3
WHERE b.seq = :seq;

-- name: touch_erased
-- The places of the messages, if a conversion that stays can belong to them.
INSERT INTO touched_places
SELECT m.id, m.account, m.number, m.requested_at, m.message_id
FROM erased_messages AS e CROSS JOIN messages AS m ON m.id = e.id
WHERE m.requested_at IS NOT NULL AND m.number IS NOT NULL AND EXISTS (
    SELECT 1 FROM number_conversions AS c
    WHERE c.account = m.account AND c.number = m.number AND c.delivered IN (0, 1)
        AND c.conversion_time BETWEEN m.requested_at AND m.requested_at + 86400000
);

-- name: touch_left_hours
INSERT OR IGNORE INTO touched_hours (account, number, start)
SELECT p.account, p.number, p.requested_at / 3600000 * 3600000 + hour.value * 3600000
FROM touched_places AS p CROSS JOIN json_each(
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]'
) AS hour;

-- name: erase_conversions
DELETE FROM number_conversions WHERE (account, number, delivered, conversion_time) IN (
    SELECT account, number, delivered, at FROM batch
);

-- name: erase_messages
DELETE FROM messages WHERE id IN (SELECT id FROM erased_messages);

-- name: detach
UPDATE messages SET session_id = '', session = NULL WHERE id IN (
    SELECT m.id
    FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][6]') AS e CROSS JOIN messages AS m
        ON m.account = e.value ->> 0 AND m.message_id = e.value ->> 1
    WHERE b.seq = :seq AND m.session_id <> ''
);

-- name: find_kept
-- Binary JSON: each of the many values of a row is found without parsing the row again.
DELETE FROM kept;
INSERT INTO kept
SELECT d.account, k.value ->> '$[1]', d.id,
    {count: coalesce(k.value ->> '$[3].$count', 0)},
    k.value -> '$[4]'
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][7]') AS k CROSS JOIN dimensions AS d
    ON d.account = k.value ->> '$[0]' AND d.day = (k.value ->> '$[1]') / 86400000
    AND d.country = k.value ->> '$[2][0]' AND d.carrier = k.value ->> '$[2][1]' AND d.provider = k.value ->> '$[2][2]'
    AND d.template = k.value ->> '$[2][3]' AND d.sender = k.value ->> '$[2][4]' AND d.channel = k.value ->> '$[2][5]'
    AND d.access_key = k.value ->> '$[2][6]'
WHERE b.seq = :seq;

-- name: change_by_kept
INSERT INTO changes
SELECT account, start, dimensions, {count: $count}, NULL, NULL, NULL FROM kept;
INSERT INTO changes
SELECT k.account, k.start, k.dimensions, {count: 0}, v.value ->> 0, v.value ->> 1, NULL
FROM kept AS k CROSS JOIN json_each(k.delays) AS v;

-- name: sum_erased
-- As `sum_minutes`, without the sums that are 0: mostly the erasure keeps just what its messages contributed. Times before
-- progress.minutes_from are summed up by quarter of an hour at once, as `kept` has them.
INSERT INTO deltas
SELECT 60000, account, at / iif(at < (SELECT minutes_from FROM progress), 900000, 60000)
    * iif(at < (SELECT minutes_from FROM progress), 900000, 60000) AS start, dimensions,
    {count: sum($count)},
    {bin: coalesce(sum(more) FILTER (WHERE delay_bin = $bin), 0)}
FROM changes GROUP BY account, start, dimensions
HAVING ({count: sum($count)}, {bin: coalesce(sum(more) FILTER (WHERE delay_bin = $bin), 0)}) <> ({count: 0}, {bin: 0});

-- name: note_kept
-- The list of bins of a row is read once, and not once for each bin.
WITH binned AS MATERIALIZED (
    SELECT k.rowid AS id, v.value ->> 0 AS bin, v.value ->> 1 AS messages
    FROM kept AS k LEFT JOIN json_each(k.delays) AS v
)
INSERT INTO kept_counts
SELECT k.account, k.start, k.dimensions, {count: k.$count},
    {bin: coalesce(sum(v.messages) FILTER (WHERE v.bin = $bin), 0)}
FROM binned AS v CROSS JOIN kept AS k ON k.rowid = v.id WHERE true
GROUP BY v.id
ON CONFLICT DO UPDATE SET
    {count: $count = $count + excluded.$count},
    {bin: d$bin = d$bin + excluded.d$bin};

-- name: note_messages_from
UPDATE progress SET messages_from = max(
    messages_from, (SELECT reports ->> '$[0][1]' FROM journal.batches WHERE seq = :seq)
);

-- name: before
SELECT reports ->> '$[0][1]' FROM journal.batches WHERE seq = :seq;
