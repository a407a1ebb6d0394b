"""Whether loops still turn: what /livez asks. A dependency that is away stops none of them."""

import threading

from drover_shared.clock import Clock

LIMIT_SECONDS = 120.0


class StalledError(RuntimeError):
    """A loop has not come round for too long."""


class Progress:
    """A loop calls `touch` each time round, also when all it does is wait for a dependency."""

    def __init__(self, clock: Clock, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._clock = clock
        self._limit = limit_seconds
        self._last = clock.monotonic()

    def touch(self) -> None:
        self._last = self._clock.monotonic()

    def rest(self, stop: threading.Event, seconds: float) -> None:
        """Wait for so long, or until `stop`, and go on touching: who waits on purpose does not hang."""
        while not stop.is_set() and seconds > 0:
            self.touch()
            piece = min(seconds, self._limit / 4)
            stop.wait(piece)
            seconds -= piece
        self.touch()

    def check(self) -> None:
        """Raise StalledError where the last touch is longer ago than the limit."""
        silent = self._clock.monotonic() - self._last
        if silent > self._limit:
            raise StalledError(f"no progress for {silent:.0f} s")
