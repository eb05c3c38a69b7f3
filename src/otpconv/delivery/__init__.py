"""How reports are sent: connections, retries, and what an answer means."""
