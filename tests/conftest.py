"""Loads the fixtures of `tests/support` for all tests, and says in what order two workers take them."""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["support.plugin", "support.api", "support.executor_client"]

HERE = Path(__file__).parent
# What takes long comes first, so that no worker waits for another at the end. Within the end-to-end tests,
# what counts executors comes before what leaves some behind.
ORDER = (
    "e2e/test_operating.py",
    "e2e",
    "integration/local/test_stack.py",
    "integration/local/test_demo.py",
    "chaos",
    "integration/executor",
    "integration/lifecycle",
    "integration/api",
    "integration",
    "contract",
    "functional",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # xdist leaves parts of it untyped
    """A file's tests share a stack and stay in one worker; the end-to-end ones share one all together.

    xdist's own marks for groups are lost on the way: they change a name that pytest 9.2 does not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """What stays in one worker, by a test's name."""
    file = nodeid.partition("::")[0]
    return "tests/e2e" if file.startswith("tests/e2e/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByPlace(config, log)


def _rank(item: pytest.Item) -> int:
    place = item.path.relative_to(HERE)
    return next((rank for rank, prefix in enumerate(ORDER) if place.is_relative_to(prefix)), len(ORDER))
