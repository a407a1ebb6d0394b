"""Loads the fixtures of `tests/support` for all tests, and says in what order two workers take them."""

from pathlib import Path

import pytest

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
    """A file's tests share a stack and stay in one worker; the end-to-end ones share one all together."""
    items.sort(key=_rank)
    for item in items:
        place = item.path.relative_to(HERE)
        group = "e2e" if place.parts[0] == "e2e" else place.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


def _rank(item: pytest.Item) -> int:
    place = item.path.relative_to(HERE)
    return next((rank for rank, prefix in enumerate(ORDER) if place.is_relative_to(prefix)), len(ORDER))
