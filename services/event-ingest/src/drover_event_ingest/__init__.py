"""Writes job events, host summaries and watermarks."""
