"""A run's output from its spool on disk to the stores, until they confirm it."""
