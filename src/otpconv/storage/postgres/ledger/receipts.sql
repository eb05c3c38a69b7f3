-- How the applier merges receipts, and which messages have them. A receipt names a message by its vendor's id, and so may a
-- message: `coalesce(vendor_message_id, message_id)`. A message that names no id of a vendor has the receipts under its own
-- id. Of those that name one, the first `receipts.MAX_SHARED` have its receipts: those requested first.

-- name: receipts_schema
-- The ids under which the requested messages of a batch look for receipts.
CREATE FUNCTION vendor_ids(requests report[]) RETURNS vendor_id[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        SELECT array_agg(ROW(m.account, coalesce(m.vendor_message_id, m.message_id), false)::vendor_id)
        FROM unnest(requests) AS r CROSS JOIN LATERAL (
            SELECT account, message_id, vendor_message_id FROM messages AS m
            WHERE m.bucket = r.bucket AND m.account = r.account AND m.message_id = r.message_id
                AND m.requested_at IS NOT NULL
            OFFSET 0
        ) AS m
        WHERE r.kind = 1
    );
END $$;

CREATE FUNCTION join_receipts(new receipt[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO receipts AS r
        (bucket, account, vendor_message_id, {status: $status_at}, error, price, currency, segments, known)
    SELECT min(bucket), account, vendor_message_id,
        min(at) FILTER (WHERE status = 0), min(at) FILTER (WHERE status = 1), min(at) FILTER (WHERE status = 2),
        min(at) FILTER (WHERE status = 3), min(at) FILTER (WHERE status = 4), min(at) FILTER (WHERE status = 5),
        min(at) FILTER (WHERE status = 6),
        coalesce((array_agg(error ORDER BY at, error) FILTER (WHERE status IN (3, 4, 5)))[1], ''), max(price),
        (array_agg(currency ORDER BY price DESC, currency DESC) FILTER (WHERE price IS NOT NULL))[1], max(segments), false
    FROM unnest(new) GROUP BY account, vendor_message_id ORDER BY account, vendor_message_id
    ON CONFLICT (account, vendor_message_id, bucket) DO UPDATE SET
        {status: $status_at = least(r.$status_at, excluded.$status_at)},
        error = CASE
            WHEN least(excluded.expired_at, excluded.rejected_at, excluded.failed_at) IS NULL THEN r.error
            WHEN least(r.expired_at, r.rejected_at, r.failed_at) IS NULL THEN excluded.error
            WHEN (least(excluded.expired_at, excluded.rejected_at, excluded.failed_at), excluded.error)
                < (least(r.expired_at, r.rejected_at, r.failed_at), r.error) THEN excluded.error
            ELSE r.error
        END,
        price = greatest(r.price, excluded.price),
        currency = CASE
            WHEN excluded.price IS NULL OR (r.price, r.currency) > (excluded.price, excluded.currency) THEN r.currency
            ELSE excluded.currency
        END,
        segments = greatest(r.segments, excluded.segments);
END $$;

-- Gives the messages the receipts under some vendors' ids, or takes them away if these are erased, and takes from the
-- requested messages of a batch those that they do not have any more. Returns what that changes.
CREATE FUNCTION resolve_receipts(ids vendor_id[], requests report[]) RETURNS contribution[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    resolved contribution[];
BEGIN
    WITH touched AS MATERIALIZED (
        SELECT i.erased, r.* FROM (
            SELECT account, vendor_message_id, bool_or(erased) AS erased FROM unnest(ids)
            GROUP BY account, vendor_message_id
        ) AS i CROSS JOIN LATERAL (
            SELECT ctid AS place, bucket, account, vendor_message_id, status, price, currency FROM receipts AS r
            WHERE r.account = i.account AND r.vendor_message_id = i.vendor_message_id
            OFFSET 0
        ) AS r
    ), named AS MATERIALIZED (
        -- The messages that had the receipts before the batch are the first, but for those of the batch.
        SELECT t.place AS receipts, m.place, m.before, CASE WHEN m.has THEN t.status END AS receipt,
            CASE WHEN m.has THEN t.price END AS price, CASE WHEN m.has THEN t.currency END AS currency
        FROM touched AS t LEFT JOIN LATERAL (
            SELECT m.ctid AS place, contribution(m, -1) AS before, NOT t.erased AS has FROM messages AS m
            WHERE m.bucket = t.bucket AND m.account = t.account AND m.message_id = t.vendor_message_id
                AND m.vendor_message_id IS NULL AND m.requested_at IS NOT NULL
            UNION ALL
            SELECT place, before, NOT t.erased AND row_number() OVER (ORDER BY requested_at, message_id) <= 10 FROM (
                SELECT m.ctid AS place, contribution(m, -1) AS before, m.requested_at, m.message_id FROM messages AS m
                WHERE m.account = t.account AND m.vendor_message_id = t.vendor_message_id
                ORDER BY m.requested_at, m.message_id LIMIT 10 + coalesce(cardinality(requests), 0)
            ) AS m
        ) AS m ON true
    ), others AS (
        SELECT DISTINCT ON (m.place) m.place, m.before FROM unnest(requests) AS r CROSS JOIN LATERAL (
            SELECT ctid AS place, contribution(m, -1) AS before FROM messages AS m
            WHERE m.bucket = r.bucket AND m.account = r.account AND m.message_id = r.message_id AND m.receipt IS NOT NULL
            OFFSET 0
        ) AS m
        WHERE r.kind = 1 AND m.place NOT IN (SELECT place FROM named WHERE place IS NOT NULL)
    ), decided AS MATERIALIZED (
        SELECT place, before, receipt, price, currency FROM named
        UNION ALL
        SELECT place, before, NULL, NULL, NULL FROM others
    ), updated AS (
        UPDATE messages AS m SET receipt = d.receipt, price = d.price, currency = d.currency FROM decided AS d
        WHERE m.ctid = d.place AND (m.receipt, m.price, m.currency) IS DISTINCT FROM (d.receipt, d.price, d.currency)
        RETURNING d.before, contribution(m, 1) AS after
    ), erased AS (
        DELETE FROM receipts AS r USING touched AS t WHERE r.ctid = t.place AND t.erased
    ), noted AS (
        UPDATE receipts AS r SET known = n.known
        FROM (
            SELECT receipts, count(place) > 0 AS known FROM named
            WHERE receipts NOT IN (SELECT place FROM touched WHERE erased) GROUP BY receipts
        ) AS n
        WHERE r.ctid = n.receipts AND r.known <> n.known
    )
    SELECT array_agg(part) INTO resolved
    FROM (SELECT before AS part FROM updated UNION ALL SELECT after FROM updated) AS parts;
    RETURN resolved;
END $$;

-- Merges the receipts of a batch, once its messages are merged, and returns what the messages contribute by that.
-- `left_ids` are the vendors' ids of its messages before.
CREATE FUNCTION merge_receipts(new receipt[], requests report[], left_ids vendor_id[]) RETURNS contribution[]
LANGUAGE plpgsql AS $$
BEGIN
    IF new IS NOT NULL THEN
        PERFORM join_receipts(new);
    END IF;
    RETURN resolve_receipts(
        left_ids || vendor_ids(requests)
            || ARRAY(SELECT ROW(account, vendor_message_id, false)::vendor_id FROM unnest(new)),
        requests
    );
END $$;

-- name: drop_receipts
DELETE FROM receipts WHERE NOT known AND greatest({status: $status_at}) < :unmatched_before;

-- name: forget_receipts
DELETE FROM touched_receipts;

-- name: touch_erased_receipts
INSERT INTO touched_receipts
SELECT m.account, coalesce(m.vendor_message_id, m.message_id), false
FROM erased_messages AS e CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = e.id OFFSET 0) AS m;

-- name: erase_receipts
-- Those of the erasure, which are of no message that stays. They are there until their messages are resolved.
INSERT INTO touched_receipts
SELECT (v ->> 0)::integer, v ->> 1, true
FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 8) AS v
WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq;

-- name: resolve_receipts
INSERT INTO contributions
SELECT * FROM unnest(resolve_receipts(ARRAY(SELECT ROW(t.*)::vendor_id FROM touched_receipts AS t), NULL));
