"""Who is calling, and may they: access keys, policies, and the guard against replayed requests."""
