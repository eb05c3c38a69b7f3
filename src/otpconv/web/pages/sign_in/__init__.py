"""Signing in and out, and the sealed cookie."""
