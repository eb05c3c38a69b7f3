"""Explains and diagnoses signatures."""
