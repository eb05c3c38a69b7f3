"""From a report to its counts: first durable in the journal, then acknowledged, soon after in the ledger."""
