"""Partitions of the events' table, made ahead and dropped in time, in a thread of their own."""

import threading
from datetime import date

from drover_shared.clock import Clock
from drover_shared.db.partitions import ensure_partitions
from drover_shared.logging import get_logger
from drover_shared.streams.failures import describe
from drover_shared.streams.progress import Progress
from sqlalchemy import Engine

from drover_event_ingest.retention import drop_day, expired_days

_HOUR = 3600.0
_RETRY = 30.0
_log = get_logger("drover.event_ingest")


def keep_partitions(
    engine: Engine, clock: Clock, stop: threading.Event, days: int, progress: Progress
) -> threading.Thread:
    """Start looking at once and hourly; a failure is tried again, for a default partition takes the rows.

    `days` is how long events are kept; 0: for ever.
    """

    def loop() -> None:
        while not stop.is_set():
            progress.touch()
            try:
                look_after(engine, clock.now().date(), days)
            except Exception as error:  # noqa: BLE001 - tried again soon
                _log.warning("partitions_failed", **describe(error))
                wait = _RETRY
            else:
                wait = _HOUR
            progress.rest(stop, wait)

    thread = threading.Thread(target=loop, name="partitions", daemon=True)
    thread.start()
    return thread


def look_after(engine: Engine, today: date, days: int) -> None:
    """Make what is missing; drop what is older than `days` days."""
    with engine.begin() as connection:
        made = ensure_partitions(connection, today)
    if made:
        _log.info("partitions_made", names=made)
    if days == 0:
        return
    with engine.connect() as connection:
        expired = expired_days(connection, today, days)
    for found in expired:
        if drop_day(engine, found.day):
            _log.info("events_expired", day=str(found.day), events=found.events)
