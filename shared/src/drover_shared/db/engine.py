"""How a service connects."""

from sqlalchemy import Engine, create_engine, text

_CONNECT_SECONDS = 3
_UNHEARD_MS = 15_000  # after which data that the other machine does not acknowledge ends the connection
# A service that is cut off or frozen in the middle of a transaction holds its locks no longer than this.
_IDLE_SECONDS = 30


def make_engine(url: str, *, pool_size: int = 5, application: str = "drover") -> Engine:
    """An engine that opens nothing yet; a connection that died is replaced before its next use.

    Session state (prepared statements, SET) is not used, so PgBouncer in transaction mode works.
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
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


def check_database(engine: Engine) -> None:
    """Raise where the database does not answer a trivial query."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
