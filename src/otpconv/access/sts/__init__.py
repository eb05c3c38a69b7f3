"""Temporary credentials of roles, as in the Security Token Service (STS)."""
