"""Notifications of alerts in a storage: those that wait for each target, and how that goes."""
