-- Price lists, added to files of every version.

CREATE TABLE IF NOT EXISTS price_lists (
    account_id INTEGER PRIMARY KEY REFERENCES accounts,
    prices     TEXT NOT NULL        -- JSON list of access.prices.Price
) STRICT;
