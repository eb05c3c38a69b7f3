"""What every request passes: connections, addresses, bodies, limits, credentials."""
