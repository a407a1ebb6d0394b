"""Slows down those who guess passwords: a few failures a minute for each name and address, each process."""

import threading
from collections import OrderedDict

from drover_shared.clock import Clock
from drover_shared.domain.errors import ThrottledError

WINDOW_SECONDS = 60.0
MAX_FAILURES = 10
MAX_KEYS = 10_000  # the oldest are forgotten first, so that memory stays bounded


class LoginThrottle:
    """Counts failures in a fixed window; a success forgets them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, key: tuple[str, str]) -> None:
        """Raise ThrottledError where `key` has used up its failures."""
        with self._lock:
            started, count = self._failures.get(key, (0.0, 0))
        left = started + WINDOW_SECONDS - self._clock.monotonic()
        if count >= MAX_FAILURES and left > 0:
            raise ThrottledError("too many failed logins", retry_after=int(left) + 1)

    def failed(self, key: tuple[str, str]) -> None:
        now = self._clock.monotonic()
        with self._lock:
            started, count = self._failures.pop(key, (now, 0))
            if now - started >= WINDOW_SECONDS:
                started, count = now, 0
            self._failures[key] = (started, count + 1)
            while len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._failures.pop(key, None)
