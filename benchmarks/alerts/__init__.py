"""Simulated worlds for the detectors, and what they find there."""
