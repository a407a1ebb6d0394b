"""How often one token may ask: a bucket for each, refilled at a steady rate, in each process."""

import threading
from collections import OrderedDict

from drover_shared.clock import Clock
from drover_shared.domain.errors import ThrottledError

BURST_SECONDS = 10  # a bucket holds what is refilled in so many seconds
MAX_KEYS = 10_000  # the longest unused are forgotten first: a full bucket is what they had


class RateLimit:
    """`per_second` requests a key in the long run; 0 is no limit. Safe for many threads."""

    def __init__(self, clock: Clock, per_second: int) -> None:
        self._clock, self._rate = clock, per_second
        self._size = float(per_second * BURST_SECONDS)
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # key: (left, at)
        self._lock = threading.Lock()

    def take(self, key: bytes) -> None:
        """One request of `key`; raises ThrottledError where its bucket is empty."""
        if not self._rate:
            return
        now = self._clock.monotonic()
        with self._lock:
            left, at = self._buckets.pop(key, (self._size, now))
            left = min(self._size, left + (now - at) * self._rate)
            self._buckets[key] = (max(0.0, left - 1), now)
            if len(self._buckets) > MAX_KEYS:
                self._buckets.popitem(last=False)
        if left < 1:
            raise ThrottledError("too many requests with this token", retry_after=1)
