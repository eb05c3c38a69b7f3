"""Keys, users, roles and policies in PostgreSQL."""
