"""Detectors that watch the counts of slices and find what needs somebody's attention. Pure."""
