"""The journal, the ledger and the way between them: durable first, acknowledged then, counted soon after."""
