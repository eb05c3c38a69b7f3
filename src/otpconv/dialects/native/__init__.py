"""The native wire."""
