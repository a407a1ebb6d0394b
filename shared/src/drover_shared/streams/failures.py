"""The three kinds of failure, and the one predicate that tells them apart."""

import traceback
from pathlib import Path

import psycopg2
import redis
import sqlalchemy.exc

from drover_shared.domain.errors import InfrastructureError

# SQLSTATE classes that speak of the data itself: data exception, integrity, program limit (a row too big).
_DATA_CLASSES = ("22", "23", "54")

_WAIT = (
    InfrastructureError,
    MemoryError,
    OSError,
    psycopg2.Error,
    redis.RedisError,
    sqlalchemy.exc.SQLAlchemyError,
)


class StopWorkerError(Exception):
    """Going on would do harm: the worker ends with its text as the error, and nothing is acknowledged."""


def is_poison(error: Exception) -> bool:
    """Whether `error` comes from what was handled, so that trying it again cannot help.

    True for what PostgreSQL says of the data and for an error of this program's own while it handled it;
    False for a dependency that is away or not as it should be (a table missing during a migration): wait.
    """
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    if isinstance(cause, psycopg2.Error):
        return (cause.pgcode or "")[:2] in _DATA_CLASSES
    return not isinstance(error, (*_WAIT, StopWorkerError))


def describe(error: Exception) -> dict[str, str]:
    """What a log may say of `error`: kinds and places, for a message may quote what was handled."""
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    about = {"error": type(cause).__name__}
    if isinstance(cause, psycopg2.Error):
        about["sqlstate"] = cause.pgcode or ""
    elif isinstance(cause, (redis.RedisError, InfrastructureError)):
        about["detail"] = str(cause)
    elif frames := traceback.extract_tb(error.__traceback__):
        about["at"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return about
