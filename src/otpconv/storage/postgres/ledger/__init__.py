"""The ledger in PostgreSQL: its writer, which follows the journal, and its readers."""
