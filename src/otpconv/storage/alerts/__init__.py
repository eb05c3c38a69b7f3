"""The alerts of all accounts, what became of them, and how far the detectors have looked."""
