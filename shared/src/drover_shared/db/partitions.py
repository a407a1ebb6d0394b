"""Partitions of `job_events`: one a day, made ahead, dropped whole when their time is over."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, text

from drover_shared.ids import first_run_id_of

_LOCK_TIMEOUT = "800ms"  # everybody who wants the table waits behind who waits to change it
_LOCK = 0x64726F76  # "drov": only one process makes partitions at a time
DAYS_AHEAD = 7


def partition_name(day: date) -> str:
    """The name of a day's partition."""
    return f"job_events_{day:%Y%m%d}"


def ensure_partitions(connection: Connection, today: date, days_ahead: int = DAYS_AHEAD) -> list[str]:
    """Make the missing partitions from yesterday to `days_ahead` days from `today` (UTC); the names made.

    A default partition takes what falls outside, so a wrong clock loses nothing. Raises OperationalError
    where the table is in use for long, as while it is backed up: there is a week for trying again.
    """
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    known = set(
        connection.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'job_events'::regclass")
        )
    )
    made = []
    for offset in range(-1, days_ahead + 1):
        day = today + timedelta(days=offset)
        name = partition_name(day)
        if name not in known:
            low, high = (_bound(day), _bound(day + timedelta(days=1)))
            connection.execute(
                text(f"CREATE TABLE {name} PARTITION OF job_events FOR VALUES FROM ('{low}') TO ('{high}')")
            )
            made.append(name)
    return made


def _bound(day: date) -> str:
    return str(first_run_id_of(datetime(day.year, day.month, day.day, tzinfo=UTC)))
