"""RAM policies and their evaluation."""
