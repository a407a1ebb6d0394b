"""Events whose time is over: whole partitions are dropped, at the same cost however many they hold."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from drover_shared.db.partitions import partition_name
from drover_shared.ids import first_run_id_of
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

_LOCK_TIMEOUT = (
    "2s"  # dropping needs the whole table for a moment: ingest must not queue behind a long reader
)
_LOCK_NOT_AVAILABLE = "55P03"
_PARTITIONS = text("""
    SELECT relname, greatest(reltuples, 0)::bigint AS events, pg_total_relation_size(c.oid) AS bytes
    FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
    WHERE inhparent = 'job_events'::regclass AND relname ~ '^job_events_[0-9]{8}$' ORDER BY relname
""")
_LIVE = text("""
    SELECT EXISTS (
        SELECT FROM job_runs
        WHERE id >= :low AND id < :high AND state IN ('pending', 'starting', 'running')
    )
""")
_LETTERS = text("DELETE FROM dead_letters WHERE job_run_id >= :low AND job_run_id < :high")


@dataclass(frozen=True, slots=True)
class ExpiredDay:
    """A day's partition; `events` is PostgreSQL's own estimate, `bytes` what is freed."""

    day: date
    events: int
    bytes: int


def expired_days(connection: Connection, today: date, days: int) -> list[ExpiredDay]:
    """Days of runs made more than `days` days before `today` (UTC), oldest first.

    A day with a run that is still live stays. So does the default partition: no clock tells its age.
    """
    found = []
    for name, events, size in connection.execute(_PARTITIONS):
        day = datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC).date()
        if day < today - timedelta(days=days) and not connection.scalar(_LIVE, _bounds(day)):
            found.append(ExpiredDay(day, events, size))
    return found


def drop_day(engine: Engine, day: date) -> bool:
    """Drop a day's events and the dead letters of its runs; False where somebody reads the table for long."""
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.execute(text(f"DROP TABLE IF EXISTS {partition_name(day)}"))
            connection.execute(_LETTERS, _bounds(day))
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _bounds(day: date) -> dict[str, str]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return {"low": str(first_run_id_of(start)), "high": str(first_run_id_of(start + timedelta(days=1)))}
