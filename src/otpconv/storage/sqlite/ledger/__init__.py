"""The ledger in SQLite: its writer, which follows the journal, and its readers."""
