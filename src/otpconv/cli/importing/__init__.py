"""`otpconv import`: one subject a module, from bytes (source) to batches that a server takes (run)."""
