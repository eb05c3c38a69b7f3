"""Prelude's Watch API: that a verification was started or completed."""
