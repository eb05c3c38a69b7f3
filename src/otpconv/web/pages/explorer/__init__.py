"""The explorer and the diagnosis of a request."""
