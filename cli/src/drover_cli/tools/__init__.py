"""What developers run: lint, tests, lock files."""
