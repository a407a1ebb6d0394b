"""What a connection promises to everybody else."""

from collections.abc import Iterator

import pytest
from drover_shared.db.engine import make_engine
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError


class Hand:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def engine(database_url: str, clock: Hand) -> Iterator[Engine]:
    engine = make_engine(database_url, monotonic=clock)
    yield engine
    engine.dispose()


def backend(engine: Engine) -> int:
    with engine.connect() as connection:
        pid: int = connection.scalar(text("SELECT pg_backend_pid()"))
        return pid


def end_all(database_url: str) -> None:
    """As a server that restarts does."""
    other = make_engine(database_url)
    with other.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()


def test_a_transaction_that_is_left_open_is_ended_by_the_database(engine: Engine) -> None:
    """Whoever is cut off or frozen in the middle of one must not hold its locks for hours."""
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "30s"


def test_a_connection_that_died_is_replaced_before_its_next_use(
    engine: Engine, database_url: str, clock: Hand
) -> None:
    first = backend(engine)
    end_all(database_url)
    clock.now += 1
    assert backend(engine) != first


def test_a_connection_that_was_just_used_is_not_asked_twice(
    engine: Engine, database_url: str, clock: Hand
) -> None:
    """What it costs where the server went meanwhile: one failure, and no second one."""
    with engine.connect(), engine.connect():
        pass  # two in the pool
    first = backend(engine)
    clock.now += 0.1
    assert backend(engine) == first
    end_all(database_url)
    clock.now += 0.1
    with pytest.raises(OperationalError):
        backend(engine)
    assert backend(engine) != first
