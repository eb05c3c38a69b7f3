-- Decides which combination of dimensions counts each message of a batch. A day of an account counts only so many
-- values of a dimension, and so many combinations, separately, so that the cost of a question is bounded. The first ones
-- in the journal's order are counted separately; all others are counted as `(other)`. A decision about a day is final,
-- so the size of batches, repeated reports and restarts make no difference.

-- name: combinations_schema
CREATE TEMP TABLE combinations (
    account INTEGER, day INTEGER,
    country TEXT, carrier TEXT, provider TEXT, template TEXT, sender TEXT, channel TEXT, access_key TEXT,
    first INTEGER,          -- the first row of the batch that has this combination
    as_country TEXT, as_carrier TEXT, as_provider TEXT, as_template TEXT, as_sender TEXT, as_channel TEXT,
    as_access_key TEXT,     -- the values it is to be counted as, until that is decided
    dimensions INTEGER,     -- the combination that counts it, once decided
    reported_values TEXT,   -- JSON list of the values as reported, if one is counted as `(other)`
    PRIMARY KEY (account, day, country, carrier, provider, template, sender, channel, access_key)
) WITHOUT ROWID;

-- name: gather_combinations
INSERT OR IGNORE INTO combinations
    (account, day, country, carrier, provider, template, sender, channel, access_key, first)
SELECT account, at / 86400000, country, carrier, provider, template, sender, channel, access_key, rowid
FROM batch WHERE kind IN (1, 4) ORDER BY rowid;

-- name: find_combinations
UPDATE combinations AS c SET dimensions = (
    SELECT id FROM dimensions AS d
    WHERE d.account = c.account AND d.day = c.day AND d.country = c.country AND d.carrier = c.carrier
        AND d.provider = c.provider AND d.template = c.template AND d.sender = c.sender AND d.channel = c.channel
        AND d.access_key = c.access_key
);

-- name: any_new_combination
SELECT EXISTS (SELECT 1 FROM combinations WHERE dimensions IS NULL);

-- name: admit_values
-- The keys 0 to 6 are the dimensions, in the order of model.Dimensions.
WITH new AS MATERIALIZED (
    SELECT c.account, c.day, v.key AS dimension, v.value, min(c.first) AS first
    FROM combinations AS c
        CROSS JOIN json_each(json_array(country, carrier, provider, template, sender, channel, access_key)) AS v
    WHERE c.dimensions IS NULL AND v.value <> '' AND NOT EXISTS (
        SELECT 1 FROM dimension_values AS k
        WHERE k.account = c.account AND k.day = c.day AND k.dimension = v.key AND k.value = v.value
    )
    GROUP BY c.account, c.day, v.key, v.value
), room AS MATERIALIZED (
    SELECT account, day, dimension, :most - (
        SELECT count(*) FROM dimension_values AS k
        WHERE k.account = n.account AND k.day = n.day AND k.dimension = n.dimension
    ) AS left
    FROM (SELECT DISTINCT account, day, dimension FROM new) AS n
)
INSERT INTO dimension_values
SELECT account, day, dimension, value
FROM (
    SELECT *, row_number() OVER (PARTITION BY account, day, dimension ORDER BY first) AS nth FROM new
) JOIN room USING (account, day, dimension)
WHERE nth <= left;

-- name: fold_values
-- Values that the day does not count separately become `(other)`.
UPDATE combinations AS c SET
    as_country = iif(country = '' OR (account, day, 0, country) IN (SELECT * FROM dimension_values), country, '(other)'),
    as_carrier = iif(carrier = '' OR (account, day, 1, carrier) IN (SELECT * FROM dimension_values), carrier, '(other)'),
    as_provider =
        iif(provider = '' OR (account, day, 2, provider) IN (SELECT * FROM dimension_values), provider, '(other)'),
    as_template =
        iif(template = '' OR (account, day, 3, template) IN (SELECT * FROM dimension_values), template, '(other)'),
    as_sender = iif(sender = '' OR (account, day, 4, sender) IN (SELECT * FROM dimension_values), sender, '(other)'),
    as_channel = iif(channel = '' OR (account, day, 5, channel) IN (SELECT * FROM dimension_values), channel, '(other)'),
    as_access_key =
        iif(access_key = '' OR (account, day, 6, access_key) IN (SELECT * FROM dimension_values), access_key, '(other)')
WHERE dimensions IS NULL;

-- name: admit_combinations
WITH new AS MATERIALIZED (
    SELECT account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key,
        min(first) AS first
    FROM combinations AS c WHERE dimensions IS NULL AND NOT EXISTS (
        SELECT 1 FROM dimensions AS d
        WHERE d.account = c.account AND d.day = c.day AND d.country = c.as_country AND d.carrier = c.as_carrier
            AND d.provider = c.as_provider AND d.template = c.as_template AND d.sender = c.as_sender
            AND d.channel = c.as_channel AND d.access_key = c.as_access_key
    )
    GROUP BY account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key
), room AS MATERIALIZED (
    SELECT account, day,
        :most - (SELECT count(*) FROM dimensions AS d WHERE d.account = n.account AND d.day = n.day) AS left
    FROM (SELECT DISTINCT account, day FROM new) AS n
)
INSERT INTO dimensions (account, day, country, carrier, provider, template, sender, channel, access_key)
SELECT account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key
FROM (SELECT *, row_number() OVER (PARTITION BY account, day ORDER BY first) AS nth FROM new)
    JOIN room USING (account, day)
WHERE nth <= left ORDER BY first;

-- name: find_folded
UPDATE combinations AS c SET dimensions = (
    SELECT id FROM dimensions AS d
    WHERE d.account = c.account AND d.day = c.day AND d.country = c.as_country AND d.carrier = c.as_carrier
        AND d.provider = c.as_provider AND d.template = c.as_template AND d.sender = c.as_sender
        AND d.channel = c.as_channel AND d.access_key = c.as_access_key
)
WHERE dimensions IS NULL;

-- name: keep_routes
-- Once a day has its most combinations, only country, provider and channel are counted separately.
UPDATE combinations SET as_carrier = '(other)', as_template = '(other)', as_sender = '(other)', as_access_key = '(other)'
WHERE dimensions IS NULL;

-- name: keep_nothing
-- Once a day has its most routes too, no value is counted separately.
UPDATE combinations SET as_country = '(other)', as_provider = '(other)', as_channel = '(other)'
WHERE dimensions IS NULL;

-- name: keep_reported_values
UPDATE combinations SET reported_values = json_array(country, carrier, provider, template, sender, channel, access_key)
WHERE (as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key)
    <> (country, carrier, provider, template, sender, channel, access_key);

-- name: forget_combinations
DELETE FROM combinations;
