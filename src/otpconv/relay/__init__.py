"""Passes conversions on to the vendors that sent the messages."""
