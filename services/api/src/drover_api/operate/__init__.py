"""What an operator asks and does beside the service; each prints its answer."""
