"""The page of number ranges."""
