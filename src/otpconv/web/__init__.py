"""The front doors: the RPC endpoint the official SDKs call, the native API, and the pages."""
