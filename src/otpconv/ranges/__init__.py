"""Finds number ranges whose messages look like fraud: many requested, almost none verified."""
