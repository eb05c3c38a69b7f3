"""Authentication and authorization: access keys, policies, and the guard against replayed requests."""
