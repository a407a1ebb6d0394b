"""How a service connects."""

import time
from collections.abc import Callable
from typing import Any

import psycopg2
from sqlalchemy import Engine, create_engine, event, exc, text

_CONNECT_SECONDS = 3
_UNHEARD_MS = 15_000  # after which data that the other machine does not acknowledge ends the connection
# A service that is cut off or frozen in the middle of a transaction holds its locks no longer than this.
_IDLE_SECONDS = 30
# A connection that was of use just now is taken for alive: no server restarts in so short a time.
_TRUSTED_SECONDS = 0.5
_USED = "drover.used"


def make_engine(
    url: str,
    *,
    pool_size: int = 5,
    application: str = "drover",
    monotonic: Callable[[], float] = time.monotonic,
) -> Engine:
    """An engine that opens nothing yet; a connection that died is replaced before its next use.

    Session state (prepared statements, SET) is not used, so PgBouncer in transaction mode works.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_use_lifo=True,
        pool_timeout=10,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": application,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": _UNHEARD_MS,
            "options": f"-c timezone=UTC -c idle_in_transaction_session_timeout={_IDLE_SECONDS}s",
        },
    )
    _ping_before_use(engine, monotonic)
    return engine


def _ping_before_use(engine: Engine, monotonic: Callable[[], float]) -> None:
    """SQLAlchemy's `pool_pre_ping`, but for connections that were in use within _TRUSTED_SECONDS.

    A busy service would ask the server twice for everything.
    """

    @event.listens_for(engine, "checkin")
    def used(_connection: Any, record: Any) -> None:
        record.info[_USED] = monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, _proxy: Any) -> None:
        at = record.info.get(_USED)
        if at is None or monotonic() - at < _TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg2.Error as error:
            raise exc.InvalidatePoolError from error


def check_database(engine: Engine) -> None:
    """Raise where the database does not answer a trivial query."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
