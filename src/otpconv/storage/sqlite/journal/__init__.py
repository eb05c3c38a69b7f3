"""The journal in SQLite: a row for each commit, and the chain that shows what is damaged or missing."""
