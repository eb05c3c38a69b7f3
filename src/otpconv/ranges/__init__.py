"""Finds number ranges whose messages look like fraud: many requested, next to none verified."""
