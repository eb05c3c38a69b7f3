"""The endpoint `/`, as the official SDKs call it."""
