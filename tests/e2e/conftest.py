"""One stack of real processes for all end-to-end tests; each test makes its own resources in it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.collector import Collector
from support.live import FAST, LiveStack
from support.projects import EXAMPLES, World, make_repository


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Where the stack sends its traces."""
    made = Collector()
    yield made
    made.stop()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[LiveStack]:
    settings = {**FAST, "DROVER_TRACES_ENDPOINT": collector.url}
    live = LiveStack(tmp_path_factory.mktemp("stack") / "home", settings)
    live.start()
    yield live
    live.stop()


@pytest.fixture
def client(stack: LiveStack) -> Iterator[httpx.Client]:
    with stack.client() as client:
        yield client


@pytest.fixture
def world(client: httpx.Client, request: pytest.FixtureRequest) -> World:
    return World.make(client, f"{request.node.name}")


@pytest.fixture(scope="session")
def example_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's project as a git repository."""
    folder = tmp_path_factory.mktemp("projects") / "site"
    make_repository(folder, EXAMPLES)
    return folder


@pytest.fixture
def example_inventory() -> str:
    return (EXAMPLES / "inventory.ini").read_text()
