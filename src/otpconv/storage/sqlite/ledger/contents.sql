-- The rows of a ledger by their values, for a comparison with another one: `verification.TABLES` lists the columns. A row
-- that refers to dimensions which are not there, or are of another account or day, gets a name that no other row has.

-- name: messages
SELECT m.account, m.message_id, m.requested_at,
    coalesce(d.country, '(unknown dimensions ' || m.dimensions || ')'), d.carrier, d.provider, d.template, d.sender,
    d.channel, d.access_key, m.reported_values, m.number, m.number_range, m.session_id, m.attempt, m.true_first,
    m.true_last, m.false_last, m.true_arrival, m.true_unknown, m.false_unknown, m.number_true, m.number_reported IS 1,
    m.session, m.vendor_message_id, m.receipt, m.price, m.currency
FROM messages AS m LEFT JOIN dimensions AS d
    ON d.id = m.dimensions AND d.account = m.account AND d.day = m.requested_at / 86400000;

-- name: number_conversions
SELECT account, number, delivered, conversion_time FROM number_conversions;

-- name: self_reported_rates
SELECT account, report_time, rate FROM self_reported_rates;

-- name: dimensions
SELECT account, day, country, carrier, provider, template, sender, channel, access_key FROM dimensions;

-- name: dimension_values
SELECT account, day, dimension, value FROM dimension_values;

-- name: rollups
SELECT r.grain, r.account, r.start, coalesce(d.country, '(unknown dimensions ' || r.dimensions || ')'),
    coalesce(d.carrier, ''), coalesce(d.provider, ''), coalesce(d.template, ''), coalesce(d.sender, ''),
    coalesce(d.channel, ''), coalesce(d.access_key, ''),
    {count: r.$count},
    {bin: r.d$bin}
FROM rollups AS r LEFT JOIN dimensions AS d
    ON d.id = r.dimensions AND d.account = r.account AND d.day = r.start / 86400000;

-- name: range_rollups
SELECT account, start, number_range, country, provider, requested, verified FROM range_rollups;

-- name: kept_ranges
SELECT account, start, number_range, country, provider, requested, verified FROM kept_ranges;

-- name: range_lengths
SELECT account, day, country, length FROM range_lengths;

-- name: kept_counts
SELECT k.account, k.start, coalesce(d.country, '(unknown dimensions ' || k.dimensions || ')'),
    coalesce(d.carrier, ''), coalesce(d.provider, ''), coalesce(d.template, ''), coalesce(d.sender, ''),
    coalesce(d.channel, ''), coalesce(d.access_key, ''),
    {count: k.$count},
    {bin: k.d$bin}
FROM kept_counts AS k LEFT JOIN dimensions AS d
    ON d.id = k.dimensions AND d.account = k.account AND d.day = k.start / 86400000;

-- name: receipts
SELECT account, vendor_message_id, {status: $status_at}, error, price, currency, segments, known FROM receipts;

-- name: cost_rollups
SELECT r.grain, r.account, r.start, coalesce(d.country, '(unknown dimensions ' || r.dimensions || ')'),
    coalesce(d.carrier, ''), coalesce(d.provider, ''), coalesce(d.template, ''), coalesce(d.sender, ''),
    coalesce(d.channel, ''), coalesce(d.access_key, ''), r.currency, r.messages, r.micros
FROM cost_rollups AS r LEFT JOIN dimensions AS d
    ON d.id = r.dimensions AND d.account = r.account AND d.day = r.start / 86400000;

-- name: kept_costs
SELECT k.account, k.start, coalesce(d.country, '(unknown dimensions ' || k.dimensions || ')'),
    coalesce(d.carrier, ''), coalesce(d.provider, ''), coalesce(d.template, ''), coalesce(d.sender, ''),
    coalesce(d.channel, ''), coalesce(d.access_key, ''), k.currency, k.messages, k.micros
FROM kept_costs AS k LEFT JOIN dimensions AS d
    ON d.id = k.dimensions AND d.account = k.account AND d.day = k.start / 86400000;

-- name: routes
SELECT account, provider, country, requested, verified FROM routes WHERE requested <> 0 OR verified <> 0;

-- name: unmatched_hours
SELECT account, number, start FROM unmatched_hours;

-- name: unmatched
SELECT account, messages, numbers FROM unmatched WHERE messages <> 0 OR numbers <> 0;

-- name: progress
SELECT minutes_from, messages_from FROM progress;
