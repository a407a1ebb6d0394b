"""Executors and their pools, as users see them."""
