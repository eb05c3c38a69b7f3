"""Keys, users, roles and policies in tables that every engine has, and that answer the same statements."""
