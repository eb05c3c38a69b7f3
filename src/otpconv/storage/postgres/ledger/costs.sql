-- How the sums of prices follow the messages, as changes.sql does it for the counts.

-- name: costs_schema
-- What messages cost by currency, to add to the minute (or quarter of an hour) of a combination.
CREATE TYPE cost AS (
    account integer, start bigint, dimensions integer, currency text COLLATE "C", messages bigint, micros bigint
);

CREATE FUNCTION settle_costs(costs cost[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    edge CONSTANT bigint := (SELECT minutes_from FROM horizons WHERE bucket = 0);
BEGIN
    WITH deltas AS MATERIALIZED (
        SELECT d.*, r.place, r.messages + d.messages = 0 AS is_empty
        FROM (
            SELECT grain, account, start / grain * grain AS start, dimensions, currency, sum(messages)::bigint AS messages,
                sum(micros)::bigint AS micros
            FROM unnest(costs) CROSS JOIN (VALUES (60000), (900000), (3600000), (86400000)) AS g (grain)
            WHERE CASE grain WHEN 60000 THEN start >= edge WHEN 900000 THEN start < edge ELSE true END
            GROUP BY grain, account, start / grain * grain, dimensions, currency
            HAVING sum(messages) <> 0 OR sum(micros) <> 0
        ) AS d LEFT JOIN LATERAL (
            SELECT ctid AS place, messages FROM cost_rollups AS r
            WHERE r.bucket = 0 AND r.writer = 1 AND r.grain = d.grain AND r.account = d.account AND r.start = d.start
                AND r.dimensions = d.dimensions AND r.currency = d.currency
            OFFSET 0
        ) AS r ON true
    ), updated AS (
        UPDATE cost_rollups AS r SET messages = r.messages + d.messages, micros = r.micros + d.micros
        FROM deltas AS d WHERE r.ctid = d.place AND NOT d.is_empty
    ), emptied AS (
        DELETE FROM cost_rollups AS r USING deltas AS d WHERE r.ctid = d.place AND d.is_empty
    )
    INSERT INTO cost_rollups
    SELECT 0, 1, grain, account, start, dimensions, currency, messages, micros FROM deltas WHERE place IS NULL;
END $$;

-- name: fold_cost_hour
-- See `fold_hour`.
WITH dropped AS (
    DELETE FROM cost_rollups
    WHERE bucket = 0 AND writer = 1 AND grain = 60000 AND account IN (SELECT DISTINCT account FROM routes)
        AND start >= :hour AND start < least(:hour + 3600000, :minutes_from)
    RETURNING *
)
INSERT INTO cost_rollups AS r
SELECT 0, 1, 900000, account, start / 900000 * 900000 AS quarter, dimensions, currency, sum(messages), sum(micros)
FROM dropped GROUP BY account, quarter, dimensions, currency
ON CONFLICT (bucket, writer, grain, account, start, dimensions, currency) DO UPDATE SET
    messages = r.messages + excluded.messages, micros = r.micros + excluded.micros;

-- name: keep_costs
-- The sums that an erasure keeps: [account, start, [dimensions], currency, messages, micros].
WITH kept AS MATERIALIZED (
    SELECT d.account, (k ->> 1)::bigint AS start, d.id AS dimensions, k ->> 3 AS currency, (k ->> 4)::bigint AS messages,
        (k ->> 5)::bigint AS micros
    FROM journal AS b CROSS JOIN LATERAL jsonb_array_elements(b.reports -> 0 -> 9) AS k JOIN dimensions AS d
        ON d.bucket = 0 AND d.account = (k ->> 0)::integer AND d.day = (k ->> 1)::bigint / 86400000
        AND d.country = k -> 2 ->> 0 AND d.carrier = k -> 2 ->> 1 AND d.provider = k -> 2 ->> 2
        AND d.template = k -> 2 ->> 3 AND d.sender = k -> 2 ->> 4 AND d.channel = k -> 2 ->> 5
        AND d.access_key = k -> 2 ->> 6
    WHERE b.bucket = 0 AND b.writer = 1 AND b.seq = :seq
), noted AS (
    INSERT INTO kept_costs AS c SELECT 0, account, start, dimensions, currency, messages, micros FROM kept
    ON CONFLICT (bucket, account, start, dimensions, currency) DO UPDATE SET
        messages = c.messages + excluded.messages, micros = c.micros + excluded.micros
)
SELECT settle_costs(ARRAY(SELECT ROW(k.*)::cost FROM kept AS k));
