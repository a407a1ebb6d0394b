"""Fixtures that every test may ask for; servers start when the first test wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py
from drover_shared.settings import S3Settings
from sqlalchemy import Engine, create_engine

from support.servers import S3_KEYS, StackServers


@pytest.fixture(scope="session")
def stack_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServers]:
    """Real PostgreSQL, Redis and S3 on free ports, shared by the whole run."""
    home: Path = tmp_path_factory.mktemp("servers")
    servers = StackServers(home)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def database_url(stack_servers: StackServers) -> Iterator[str]:
    """A fresh migrated database of this test's own."""
    name = stack_servers.make_database()
    yield stack_servers.database_url(name)
    stack_servers.drop_database(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def redis_url(stack_servers: StackServers) -> str:
    """A flushed Redis database of this test's own."""
    url = stack_servers.redis_url(stack_servers.next_redis_database())
    with redis_py.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["redis_py.Redis"]:
    client = redis_py.Redis.from_url(redis_url)
    yield client
    client.close()


@pytest.fixture
def s3(stack_servers: StackServers) -> S3Settings:
    """An object store with a fresh bucket of this test's own."""
    return S3Settings(
        endpoint=stack_servers.s3_endpoint,
        bucket=stack_servers.make_bucket(),
        access_key=S3_KEYS[0],
        secret_key=S3_KEYS[1],
    )
