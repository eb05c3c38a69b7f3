"""Notifications of alerts: plans from events what each target gets and when, and sends it."""
