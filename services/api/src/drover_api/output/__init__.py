"""What runs put out: events, host summaries and logs, whole, in parts, or live."""
