"""The journal in PostgreSQL, and the eraser of deleted messages."""
