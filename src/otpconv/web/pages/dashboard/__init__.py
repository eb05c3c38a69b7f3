"""The dashboard and the page of one message."""
