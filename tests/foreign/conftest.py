"""Real executors, a real sshd, and playbooks from ansible-core's own tests. `./drover test tests/foreign`"""

from support.executor_fixtures import StartExecutor, api, start_executor

__all__ = ["StartExecutor", "api", "start_executor"]
