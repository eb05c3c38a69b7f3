"""Sinch's SMS API: that the recipients of a batch received its message."""
