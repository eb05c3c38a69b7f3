"""What an alert shows: computed from the ledger when somebody looks, so an alert stores nothing personal."""
