"""The way of reports from a broker into a server's ledger: taken, recorded, and only then acknowledged."""
