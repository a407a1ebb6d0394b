"""What is away is left alone for a moment."""

import time
from collections.abc import Callable

SECONDS = 1.0


class Pause:
    """After a failure nobody waits for the same thing again for so many seconds.

    May be shared by threads: at worst each of them fails once.
    """

    def __init__(self, seconds: float = SECONDS, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._monotonic = seconds, monotonic
        self._until = float("-inf")

    @property
    def lasts(self) -> bool:
        return self._monotonic() < self._until

    def begin(self) -> None:
        """It failed just now."""
        self._until = self._monotonic() + self._seconds
