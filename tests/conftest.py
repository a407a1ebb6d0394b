"""Loads the fixtures of `tests/support` for all tests."""

pytest_plugins = ["support.plugin", "support.api", "support.executor_client"]
