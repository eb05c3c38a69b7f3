"""The error centre."""
