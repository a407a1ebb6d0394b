"""Loads of events into the database, exactly once, whatever is in them and however often they come."""

from dataclasses import replace
from uuid import UUID

import psycopg2.errors
from drover_shared.logging import get_logger
from drover_shared.streams.failures import StopWorkerError, describe, is_poison
from sqlalchemy import Engine

from drover_event_ingest import metrics
from drover_event_ingest.batches import Load
from drover_event_ingest.writing import Stored, write_load

_log = get_logger("drover.event_ingest")


class EventStore:
    """Stores loads. Over `poison_limit` refused events in a row are the database's fault, not the events'."""

    def __init__(self, engine: Engine, poison_limit: int = 100) -> None:
        self._engine = engine
        self._poison_limit = poison_limit
        self._poison_in_a_row = 0

    def store(self, load: Load) -> set[UUID]:
        """Store a load; returns the runs that have new events.

        An event that the database refuses is found by halving and becomes a dead letter; the rest is stored.
        Raises StopWorkerError when nothing but refusals come, and whatever says that a dependency is away.
        """
        try:
            stored = self._transaction(load)
        except Exception as error:
            if not is_poison(error):
                raise
            return self._store_parts(load, error)
        if stored.rows:
            self._poison_in_a_row = 0
        self._measure(stored)
        return set(stored.rows)

    def _store_parts(self, load: Load, error: Exception) -> set[UUID]:
        if load.events == 0:
            raise error
        if load.events > 1:
            metrics.SPLITS.inc()
            first, second = load.halves()
            return self.store(first) | self.store(second)
        self._poison_in_a_row += 1
        if self._poison_in_a_row > self._poison_limit:
            raise StopWorkerError(f"the database refused {self._poison_limit} events in a row") from error
        self._measure(self._transaction(_refused(load, error)))
        return set()

    def _transaction(self, load: Load) -> Stored:
        try:
            with self._engine.begin() as connection:
                return write_load(connection, load, staged=False)
        except psycopg2.errors.UniqueViolation:
            metrics.STAGED.inc()  # rows that the watermark does not know of: a part of the data was restored
        with self._engine.begin() as connection:
            return write_load(connection, load, staged=True)

    def _measure(self, stored: Stored) -> None:
        metrics.ROWS.inc(sum(stored.rows.values()))
        metrics.REPEATS.inc(stored.repeats)
        for letter in stored.letters:
            why = letter.reason.split(":", 1)[0]
            metrics.DEAD_LETTERS.labels(why).inc()
            _log.warning(
                "dead_letter", job_run_id=str(letter.job_run_id), seq=letter.seq, reason=letter.reason
            )


def _refused(load: Load, error: Exception) -> Load:
    """The load with its events as dead letters."""
    about = describe(error)
    reason = f"refused: {about['error']} {about.get('sqlstate', '')}".strip()
    batches = [
        replace(
            batch, events=(), bad=[*batch.bad, *(batch.event_letter(event, reason) for event in batch.events)]
        )
        for batch in load.batches
    ]
    return Load(batches, load.letters)
