"""Executors against an API in this process, with real Redis, git and Ansible."""

from support.executor_fixtures import StartExecutor, api, start_executor

__all__ = ["StartExecutor", "api", "start_executor"]
