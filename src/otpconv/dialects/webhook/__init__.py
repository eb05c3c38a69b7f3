"""Our own webhooks: their signature, and receipts in our own JSON."""
