"""Telesign's Verify API: that the user completed a verification."""
