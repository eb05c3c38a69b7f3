"""Requests, signatures and responses of the RPC protocol."""
