-- Decides which combination of dimensions counts each message of a batch. A day of an account counts only so many
-- values of a dimension, and so many combinations, separately, so that the cost of a question is bounded. The first ones
-- in the journal's order are counted separately; all others are counted as `(other)`. A decision about a day is final,
-- so the size of batches, repeated reports and restarts make no difference.

-- name: dimensions_schema
-- Makes undecided values dimensions of their own, up to so many of an account and day.
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
    -- The numbers 0 to 6 are the dimensions, in the order of model.Dimensions.
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
END $$;

-- Returns the combinations of the requests, each with the one of its day that counts it.
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
    -- Once a day has its most combinations, only country, provider and channel are counted separately.
    UPDATE combinations
    SET as_carrier = '(other)', as_template = '(other)', as_sender = '(other)', as_access_key = '(other)'
    WHERE dimensions IS NULL;
    PERFORM admit_combinations(most_combinations + most_routes);
    -- Once a day has its most routes too, no value is counted separately.
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
