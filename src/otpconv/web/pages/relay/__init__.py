"""The page of the relay to vendors."""
