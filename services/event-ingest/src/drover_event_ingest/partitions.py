"""Partitions of the events' table, made ahead in a thread of their own."""

import threading

from drover_shared.clock import Clock
from drover_shared.db.partitions import ensure_partitions
from drover_shared.logging import get_logger
from drover_shared.streams.failures import describe
from sqlalchemy import Engine

_HOUR = 3600.0
_RETRY = 30.0
_log = get_logger("drover.event_ingest")


def keep_partitions(engine: Engine, clock: Clock, stop: threading.Event) -> threading.Thread:
    """Start looking at once and hourly; a failure is tried again, for a default partition takes the rows."""

    def loop() -> None:
        while True:
            try:
                with engine.begin() as connection:
                    made = ensure_partitions(connection, clock.now().date())
            except Exception as error:  # noqa: BLE001 - tried again soon
                _log.warning("partitions_failed", **describe(error))
                wait = _RETRY
            else:
                wait = _HOUR
                if made:
                    _log.info("partitions_made", names=made)
            if stop.wait(wait):
                return

    thread = threading.Thread(target=loop, name="partitions", daemon=True)
    thread.start()
    return thread
