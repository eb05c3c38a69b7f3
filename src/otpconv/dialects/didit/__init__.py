"""Didit's Messages API: whether the recipient of a message was converted."""
