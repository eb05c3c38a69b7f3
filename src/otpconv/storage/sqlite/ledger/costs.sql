-- How the sums of prices follow the messages, as changes.sql does it for the counts.

-- name: costs_schema
CREATE TEMP TABLE cost_changes (
    account INTEGER, at INTEGER, dimensions INTEGER, currency TEXT, messages INTEGER, micros INTEGER
);
CREATE TEMP TABLE cost_deltas (
    grain INTEGER, account INTEGER, start INTEGER, dimensions INTEGER, currency TEXT, messages INTEGER, micros INTEGER
);
CREATE TEMP TABLE erased_costs (
    account INTEGER, start INTEGER, dimensions INTEGER, currency TEXT, messages INTEGER, micros INTEGER
);

CREATE TEMP TRIGGER message_priced AFTER UPDATE OF price, currency ON main.messages
WHEN OLD.price IS NOT NEW.price OR OLD.currency IS NOT NEW.currency
BEGIN
    INSERT INTO cost_changes
    SELECT OLD.account, OLD.requested_at, OLD.dimensions, OLD.currency, -1, -(OLD.price) WHERE OLD.price IS NOT NULL;
    INSERT INTO cost_changes
    SELECT NEW.account, NEW.requested_at, NEW.dimensions, NEW.currency, 1, NEW.price WHERE NEW.price IS NOT NULL;
END;

CREATE TEMP TRIGGER message_moved AFTER UPDATE OF requested_at, dimensions ON main.messages
WHEN OLD.price IS NOT NULL AND (OLD.requested_at <> NEW.requested_at OR OLD.dimensions <> NEW.dimensions)
BEGIN
    INSERT INTO cost_changes VALUES
        (OLD.account, OLD.requested_at, OLD.dimensions, OLD.currency, -1, -(OLD.price)),
        (OLD.account, NEW.requested_at, NEW.dimensions, OLD.currency, 1, OLD.price);
END;

CREATE TEMP TRIGGER priced_message_erased AFTER DELETE ON main.messages WHEN OLD.price IS NOT NULL
BEGIN
    INSERT INTO cost_changes VALUES (OLD.account, OLD.requested_at, OLD.dimensions, OLD.currency, -1, -(OLD.price));
END;

-- name: sum_costs
-- Minutes from progress.minutes_from on, before it quarters of an hour; hours and days at any time.
INSERT INTO cost_deltas
SELECT g.grain, account, at / g.grain * g.grain AS start, dimensions, currency, sum(messages), sum(micros)
FROM (SELECT column1 AS grain FROM (VALUES (60000), (900000), (3600000), (86400000))) AS g CROSS JOIN cost_changes
WHERE CASE g.grain
    WHEN 60000 THEN at >= (SELECT minutes_from FROM progress)
    WHEN 900000 THEN at < (SELECT minutes_from FROM progress)
    ELSE true
END
GROUP BY g.grain, account, start, dimensions, currency
HAVING sum(messages) <> 0 OR sum(micros) <> 0;

-- name: fold_cost_minutes
INSERT INTO cost_deltas
SELECT 900000, account, start / 900000 * 900000 AS quarter, dimensions, currency, sum(messages), sum(micros)
FROM cost_rollups WHERE grain = 60000 AND account IN (SELECT DISTINCT account FROM routes) AND start < :minutes_from
GROUP BY account, quarter, dimensions, currency;

-- name: settle_costs
INSERT OR REPLACE INTO cost_rollups
SELECT d.grain, d.account, d.start, d.dimensions, d.currency,
    d.messages + coalesce(r.messages, 0), d.micros + coalesce(r.micros, 0)
FROM cost_deltas AS d LEFT JOIN cost_rollups AS r USING (grain, account, start, dimensions, currency);
DELETE FROM cost_rollups WHERE messages = 0 AND (grain, account, start, dimensions, currency) IN (
    SELECT grain, account, start, dimensions, currency FROM cost_deltas
);
DELETE FROM cost_changes;
DELETE FROM cost_deltas;

-- name: drop_cost_minutes
DELETE FROM cost_rollups WHERE grain = 60000 AND account IN (SELECT DISTINCT account FROM routes)
    AND start < :minutes_from;

-- name: keep_costs
-- The sums that an erasure keeps: [account, start, [dimensions], currency, messages, micros].
DELETE FROM erased_costs;
INSERT INTO erased_costs
SELECT d.account, k.value ->> 1, d.id, k.value ->> 3, k.value ->> 4, k.value ->> 5
FROM journal.batches AS b CROSS JOIN jsonb_each(b.reports, '$[0][9]') AS k CROSS JOIN dimensions AS d
    ON d.account = k.value ->> 0 AND d.day = (k.value ->> 1) / 86400000
    AND d.country = k.value ->> '$[2][0]' AND d.carrier = k.value ->> '$[2][1]' AND d.provider = k.value ->> '$[2][2]'
    AND d.template = k.value ->> '$[2][3]' AND d.sender = k.value ->> '$[2][4]' AND d.channel = k.value ->> '$[2][5]'
    AND d.access_key = k.value ->> '$[2][6]'
WHERE b.seq = :seq;
INSERT INTO cost_changes SELECT * FROM erased_costs;
INSERT INTO kept_costs SELECT * FROM erased_costs WHERE true
ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, micros = micros + excluded.micros;
