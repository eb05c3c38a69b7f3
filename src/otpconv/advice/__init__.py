"""Advice how to divide first attempts among providers. It sends nothing and changes nothing."""
