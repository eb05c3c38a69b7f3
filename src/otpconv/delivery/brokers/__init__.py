"""Delivery to a message broker: one module per kind of broker, imported when a URL names it."""
