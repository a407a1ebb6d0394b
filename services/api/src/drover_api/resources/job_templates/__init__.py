"""Job templates: what a launch starts from."""
