"""`python -m benchmarks.copying`: copies a ledger to PostgreSQL and back under load; see `__main__.py`."""
