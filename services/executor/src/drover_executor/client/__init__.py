"""The executor's side of the internal API."""
