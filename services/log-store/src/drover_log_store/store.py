"""Log chunks into the object store and their rows into the database: first the object, then the row."""

from collections.abc import Sequence
from concurrent.futures import Executor
from uuid import UUID

from drover_shared.logging import get_logger
from drover_shared.messages.streams import LOGS_STREAM
from drover_shared.objects import ObjectStore
from drover_shared.streams.dead_letters import DeadLetter, bury
from drover_shared.streams.tokens import split_by_token
from sqlalchemy import Engine

from drover_log_store import metrics
from drover_log_store.chunks import Chunk, Load
from drover_log_store.rows import add_chunks, lock_runs, new_chunks

_log = get_logger("drover.log_store")


class LogStore:
    """Stores loads; `threads` puts several objects at once."""

    def __init__(self, engine: Engine, objects: ObjectStore, threads: Executor) -> None:
        self._engine = engine
        self._objects = objects
        self._threads = threads

    def store(self, load: Load) -> set[UUID]:
        """Store a load; returns the runs that have new chunks.

        The first content of a seq stays: the run is locked from the look at its rows to the commit, so no
        other worker puts another object in between.
        """
        with self._engine.begin() as connection:
            chunks, letters = split_by_token(connection, load.chunks)
            letters = [*load.letters, *letters]
            bury(connection, LOGS_STREAM, letters)
            lock_runs(connection, {chunk.run_id: chunk.job_id for chunk in chunks})
            new = new_chunks(connection, chunks)
            self._put(new)
            add_chunks(connection, new)
        _measure(new, len(chunks) - len(new), letters)
        return {chunk.run_id for chunk in new}

    @metrics.PUT_SECONDS.time()
    def _put(self, chunks: Sequence[Chunk]) -> None:
        """Put every object, or raise InfrastructureError; all attempts have ended when it returns."""
        jobs = [self._threads.submit(self._objects.put, chunk.key, chunk.body) for chunk in chunks]
        errors = [job.exception() for job in jobs]
        for error in errors:
            if error is not None:
                raise error


def _measure(new: Sequence[Chunk], repeats: int, letters: Sequence[DeadLetter]) -> None:
    metrics.CHUNKS.inc(len(new))
    metrics.BYTES.inc(sum(len(chunk.body) for chunk in new))
    metrics.REPEATS.inc(repeats)
    for letter in letters:
        metrics.DEAD_LETTERS.labels(letter.reason.split(":", 1)[0]).inc()
        _log.warning("dead_letter", job_run_id=str(letter.job_run_id), seq=letter.seq, reason=letter.reason)
