"""Temporary credentials of roles, as the Security Token Service (STS) issues them."""
