"""What the enqueue call costs the caller's thread, beside the clients that applications have already."""
