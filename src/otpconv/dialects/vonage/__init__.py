"""Vonage's Conversion API: whether the user typed the code of a message or a call back."""
