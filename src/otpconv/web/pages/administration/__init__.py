"""Administration: users and keys, policies, permissions, the audit trail, and the health of the server."""
