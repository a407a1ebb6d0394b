"""Who asks, and what they may see and do: the one place that decides it."""
