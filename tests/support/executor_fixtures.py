"""Executors against an API in this process, with real Redis, git and Ansible."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from support.executor import ExecutorProcess
from support.fake_api import FakeApi


class StartExecutor(Protocol):
    def __call__(self, *, http: bool = False, **settings: str) -> ExecutorProcess: ...


@pytest.fixture
def api(redis_url: str) -> Iterator[FakeApi]:
    fake = FakeApi(redis_url).start()
    yield fake
    fake.stop()


@pytest.fixture
def start_executor(api: FakeApi, redis_url: str, tmp_path: Path) -> Iterator[StartExecutor]:
    """Starts executors that end with the test; keywords are environment variables."""
    started: list[ExecutorProcess] = []

    def start(*, http: bool = False, **settings: str) -> ExecutorProcess:
        folder = tmp_path / f"executor-{len(started)}"
        executor = ExecutorProcess(api, folder, None if http else redis_url, tmp_path, settings)
        started.append(executor.start())
        return executor

    yield start
    for executor in started:
        executor.kill()
