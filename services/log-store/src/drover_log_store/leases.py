"""The lease on an archive in the making, kept for as long as its maker lives and gets on."""

from collections.abc import Iterable, Iterator
from typing import TypeVar
from uuid import UUID

from drover_shared.clock import Clock
from drover_shared.streams.failures import is_poison
from drover_shared.streams.progress import Progress
from sqlalchemy import Engine

from drover_log_store.archive_rows import renew

T = TypeVar("T")
RENEWALS = 4  # in the time of one lease


class LeaseLostError(Exception):
    """Somebody else makes the archive by now, or it is wanted no more."""


class Lease:
    """`kept` renews it on the way, touching `progress`; a maker that hangs or dies loses it in `seconds`."""

    def __init__(
        self, engine: Engine, clock: Clock, run: UUID, key: str, seconds: float, *, progress: Progress
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._run = run
        self._key = key
        self._seconds = seconds
        self._progress = progress
        self._renewed = clock.monotonic()

    def kept(self, pieces: Iterable[T]) -> Iterator[T]:
        """`pieces`, as long as the lease is held. Raises LeaseLostError.

        A database that is away for less than the lease is no reason to stop.
        """
        for piece in pieces:
            self._progress.touch()
            if self._clock.monotonic() - self._renewed > self._seconds / RENEWALS:
                self._renew()
            yield piece

    def _renew(self) -> None:
        now = self._clock.monotonic()
        try:
            with self._engine.begin() as connection:
                held = renew(connection, self._run, self._key, self._seconds)
        except Exception as error:
            if is_poison(error) or now - self._renewed > self._seconds:
                raise
            return
        if not held:
            raise LeaseLostError
        self._renewed = now
