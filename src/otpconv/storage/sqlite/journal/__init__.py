"""The journal in SQLite: a row for each commit, and the chain that reveals damaged and missing rows."""
