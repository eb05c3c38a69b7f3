-- Which dimensions the messages of a batch are counted by. Of one account and day, only so many values of a dimension
-- and so many combinations of values are kept apart, so that what a question costs is bounded. The first in the
-- journal's order are; all others become `(other)`. Nothing is ever taken back: what was decided once for a day stays,
-- so batches, repeats and restarts make no difference.

-- name: combinations_schema
CREATE TEMP TABLE combinations (
    account INTEGER, day INTEGER,
    country TEXT, carrier TEXT, provider TEXT, template TEXT, sender TEXT, channel TEXT, access_key TEXT,
    first INTEGER,          -- where in the batch it comes first
    as_country TEXT, as_carrier TEXT, as_provider TEXT, as_template TEXT, as_sender TEXT, as_channel TEXT,
    as_access_key TEXT,     -- what it is counted as, while that is being decided
    dimensions INTEGER,     -- the same, decided
    told TEXT,              -- the values as they were reported, where some are counted as `(other)`
    PRIMARY KEY (account, day, country, carrier, provider, template, sender, channel, access_key)
) WITHOUT ROWID;

-- name: gather_combinations
INSERT OR IGNORE INTO combinations
    (account, day, country, carrier, provider, template, sender, channel, access_key, first)
SELECT account, at / 86400000, country, carrier, provider, template, sender, channel, access_key, rowid
FROM batch WHERE kind = 1 ORDER BY rowid;

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
-- The numbers 0 to 6 stand for the dimensions, in the order of model.py.
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
UPDATE combinations SET as_carrier = '(other)', as_template = '(other)', as_sender = '(other)', as_access_key = '(other)'
WHERE dimensions IS NULL;

-- name: keep_nothing
UPDATE combinations SET as_country = '(other)', as_provider = '(other)', as_channel = '(other)'
WHERE dimensions IS NULL;

-- name: keep_told
UPDATE combinations SET told = json_array(country, carrier, provider, template, sender, channel, access_key)
WHERE (as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key)
    <> (country, carrier, provider, template, sender, channel, access_key);

-- name: forget_combinations
DELETE FROM combinations;
