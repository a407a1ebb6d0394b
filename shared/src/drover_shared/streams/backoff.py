"""Waiting between attempts at something that failed."""

import random


class Backoff:
    """Delays that double from `first` to `longest` seconds, each shortened at random by up to a half."""

    def __init__(self, first: float = 0.1, longest: float = 5.0, rng: random.Random | None = None) -> None:
        self._first = first
        self._longest = longest
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._next = first

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt."""
        delay = self._next
        self._next = min(self._longest, delay * 2)
        return delay * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._next = self._first
