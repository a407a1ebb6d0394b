"""What every Drover service shares: the domain, the messages, the tables, and the wiring."""
