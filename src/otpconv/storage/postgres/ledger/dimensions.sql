-- Decides which combination of dimensions counts each message of a batch. A day of an account counts only so many
-- values of a dimension, and so many combinations, separately, so that the cost of a question is bounded. The first ones
-- in the journal's order are counted separately; all others are counted as `(other)`. A decision about a day is final,
-- so the size of batches, repeated reports and restarts make no difference.

-- name: gather_combinations
INSERT INTO combinations (account, day, country, carrier, provider, template, sender, channel, access_key, first)
SELECT account, at / 86400000 AS day, country, carrier, provider, template, sender, channel, access_key, min(position)
FROM batch WHERE kind IN (1, 4)
GROUP BY account, day, country, carrier, provider, template, sender, channel, access_key;

-- name: find_combinations
UPDATE combinations AS c SET dimensions = d.id FROM dimensions AS d
WHERE d.bucket = 0 AND d.account = c.account AND d.day = c.day AND d.country = c.country AND d.carrier = c.carrier
    AND d.provider = c.provider AND d.template = c.template AND d.sender = c.sender AND d.channel = c.channel
    AND d.access_key = c.access_key;

-- name: any_new_combination
SELECT CASE WHEN EXISTS (SELECT 1 FROM combinations WHERE dimensions IS NULL) THEN 1 ELSE 0 END;

-- name: admit_values
-- The numbers 0 to 6 are the dimensions, in the order of model.Dimensions.
WITH new AS MATERIALIZED (
    SELECT c.account, c.day, v.dimension, v.value, min(c.first) AS first
    FROM combinations AS c CROSS JOIN LATERAL (VALUES
        (0, c.country), (1, c.carrier), (2, c.provider), (3, c.template), (4, c.sender), (5, c.channel),
        (6, c.access_key)
    ) AS v (dimension, value)
    WHERE c.dimensions IS NULL AND v.value <> '' AND NOT EXISTS (
        SELECT 1 FROM dimension_values AS k
        WHERE k.bucket = 0 AND k.account = c.account AND k.day = c.day AND k.dimension = v.dimension
            AND k.value = v.value
    )
    GROUP BY c.account, c.day, v.dimension, v.value
), room AS MATERIALIZED (
    SELECT account, day, dimension, :most - (
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

-- name: fold_values
-- Values that the day does not count separately become `(other)`.
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

-- name: admit_combinations
WITH new AS MATERIALIZED (
    SELECT account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key,
        min(first) AS first
    FROM combinations AS c WHERE dimensions IS NULL AND NOT EXISTS (
        SELECT 1 FROM dimensions AS d
        WHERE d.bucket = 0 AND d.account = c.account AND d.day = c.day AND d.country = c.as_country
            AND d.carrier = c.as_carrier AND d.provider = c.as_provider AND d.template = c.as_template
            AND d.sender = c.as_sender AND d.channel = c.as_channel AND d.access_key = c.as_access_key
    )
    GROUP BY account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key
), room AS MATERIALIZED (
    SELECT account, day, :most
        - (SELECT count(*) FROM dimensions AS d WHERE d.bucket = 0 AND d.account = n.account AND d.day = n.day) AS room
    FROM (SELECT DISTINCT account, day FROM new) AS n
)
INSERT INTO dimensions (bucket, account, day, country, carrier, provider, template, sender, channel, access_key)
SELECT 0, account, day, as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key
FROM (SELECT *, row_number() OVER (PARTITION BY account, day ORDER BY first) AS nth FROM new) AS n
    JOIN room USING (account, day)
WHERE nth <= room ORDER BY first;

-- name: find_folded
UPDATE combinations AS c SET dimensions = d.id FROM dimensions AS d
WHERE c.dimensions IS NULL AND d.bucket = 0 AND d.account = c.account AND d.day = c.day AND d.country = c.as_country
    AND d.carrier = c.as_carrier AND d.provider = c.as_provider AND d.template = c.as_template
    AND d.sender = c.as_sender AND d.channel = c.as_channel AND d.access_key = c.as_access_key;

-- name: keep_routes
-- Once a day has its most combinations, only country, provider and channel are counted separately.
UPDATE combinations SET as_carrier = '(other)', as_template = '(other)', as_sender = '(other)', as_access_key = '(other)'
WHERE dimensions IS NULL;

-- name: keep_nothing
-- Once a day has its most routes too, no value is counted separately.
UPDATE combinations SET as_country = '(other)', as_provider = '(other)', as_channel = '(other)'
WHERE dimensions IS NULL;

-- name: keep_reported_values
UPDATE combinations SET reported_values = ARRAY[country, carrier, provider, template, sender, channel, access_key]
WHERE (as_country, as_carrier, as_provider, as_template, as_sender, as_channel, as_access_key)
    <> (country, carrier, provider, template, sender, channel, access_key);

-- name: forget_combinations
DELETE FROM combinations;
