"""What is worth another try, and what a log may say."""

import psycopg2
import psycopg2.errors
import pytest
import redis
import sqlalchemy.exc
from drover_shared.domain.errors import InfrastructureError
from drover_shared.streams.failures import StopWorkerError, describe, is_poison


class RefusedError(psycopg2.DataError):
    """psycopg2 sets `pgcode` itself; here a test does."""

    pgcode = "22P02"


class TooBigError(psycopg2.OperationalError):
    """Class 54 arrives as an OperationalError."""

    pgcode = "54000"


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("secret"),
        TooBigError("secret"),
        sqlalchemy.exc.DataError("statement", {}, RefusedError("secret")),
        KeyError("secret"),
        RecursionError("secret"),
    ],
)
def test_the_data_is_at_fault(error: Exception) -> None:
    assert is_poison(error)
    assert "secret" not in str(describe(error))


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.OperationalError("away"),
        psycopg2.errors.UndefinedColumn("a migration is under way"),
        psycopg2.InterfaceError("closed"),
        sqlalchemy.exc.TimeoutError("no connection is free"),
        sqlalchemy.exc.OperationalError("statement", {}, psycopg2.OperationalError("away")),
        redis.ConnectionError("away"),
        InfrastructureError("away"),
        ConnectionResetError(),
        MemoryError(),
        StopWorkerError("enough"),
    ],
)
def test_a_dependency_is_away(error: Exception) -> None:
    assert not is_poison(error)


def test_a_programs_own_error_is_placed() -> None:
    with pytest.raises(KeyError) as caught:
        dict[str, int]()["secret"]
    about = describe(caught.value)
    assert about["error"] == "KeyError"
    assert about["at"].startswith("test_failures.py:")
