"""Users and the caller's own account."""
