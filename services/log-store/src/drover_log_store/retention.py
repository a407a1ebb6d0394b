"""Logs whose time is over: objects first, then rows, so that the next look makes up for a failure."""

from datetime import timedelta
from uuid import UUID

from drover_shared.clock import Clock
from drover_shared.domain.keys import chunk_key
from drover_shared.ids import first_run_id_of
from drover_shared.objects import ObjectStore
from sqlalchemy import Engine, text

from drover_log_store import metrics
from drover_log_store.archive_rows import chunks_of, settle

_NEXT = text("""
    SELECT c.job_run_id FROM log_chunks AS c JOIN job_runs AS r ON r.id = c.job_run_id
    WHERE c.job_run_id < :bound AND r.state NOT IN ('pending', 'starting', 'running')
    ORDER BY c.job_run_id LIMIT 1
""")
_ARCHIVE = text("SELECT storage_key FROM log_archives WHERE job_run_id = :run")
_FORGET = (
    text("DELETE FROM log_chunks WHERE job_run_id = :run"),
    text("DELETE FROM log_archives WHERE job_run_id = :run"),
)


class Retention:
    """Removes logs of runs made more than `days` days ago; 0 keeps them for ever."""

    def __init__(self, engine: Engine, objects: ObjectStore, clock: Clock, days: int) -> None:
        self._engine = engine
        self._objects = objects
        self._clock = clock
        self._days = days

    def remove_next(self) -> bool:
        """Remove one log; False where none is too old. Raises what says that a dependency is away.

        What was stored still counts as stored: the run stays complete, and reads as empty.
        """
        run = self._next() if self._days else None
        if run is None:
            return False
        keys = [chunk_key(run, seq) for seq, _ in chunks_of(self._engine, run)]
        with self._engine.connect() as connection:
            keys += connection.scalars(_ARCHIVE, {"run": run})
        self._objects.delete_many(keys)
        with self._engine.begin() as connection:
            settle(connection, run)
            for statement in _FORGET:
                connection.execute(statement, {"run": run})
        metrics.EXPIRED.inc()
        return True

    def _next(self) -> UUID | None:
        bound = first_run_id_of(self._clock.now() - timedelta(days=self._days))
        with self._engine.connect() as connection:
            run: UUID | None = connection.scalar(_NEXT, {"bound": bound})
        return run
