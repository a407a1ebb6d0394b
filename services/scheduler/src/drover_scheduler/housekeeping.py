"""What is done once an hour."""

from datetime import date, timedelta

from drover_shared.db.credential_snapshots import forget_old
from drover_shared.db.models import BrowserSession, IdempotencyKey
from drover_shared.db.partitions import ensure_partitions
from sqlalchemy import Engine, delete, func

EVERY_SECONDS = 3600.0
AGAIN_SECONDS = 60.0  # after a failure
KEEP_KEYS = timedelta(hours=24)  # `completion.md` section 1


def keep_house(engine: Engine, today: date) -> int:
    """Make the event partitions of the days ahead, and forget ended sessions, old credentials and keys.

    Returns how many keys.
    """
    with engine.begin() as connection:
        ensure_partitions(connection, today)
    with engine.begin() as connection:
        connection.execute(delete(BrowserSession).where(BrowserSession.expires_at < func.now()))
    with engine.begin() as connection:
        forget_old(connection)
    old = delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - KEEP_KEYS)
    with engine.begin() as connection:
        return connection.execute(old).rowcount
