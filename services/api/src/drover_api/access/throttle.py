"""Slows down those who guess passwords: a few failures a minute for each name and address.

Every process counts in Redis, so more of them allow no more guesses, and by itself while that is away.
"""

import threading
from collections import OrderedDict
from hashlib import sha256
from typing import Any

import redis
from drover_shared.clock import Clock
from drover_shared.domain.errors import ThrottledError

WINDOW_SECONDS = 60.0
MAX_FAILURES = 10
MAX_KEYS = 10_000  # the oldest are forgotten first, so that memory stays bounded

Key = tuple[str, str]  # a user's name, and the address that it is tried from


class LoginThrottle:
    """Counts failures in a fixed window; a success forgets them."""

    def __init__(self, clock: Clock, shared: "redis.Redis | None" = None) -> None:
        """`shared` should answer or fail soon, as a login waits for it; None counts in this process alone."""
        self._clock, self._shared = clock, shared
        self._failures: OrderedDict[Key, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, key: Key) -> None:
        """Raise ThrottledError where `key` has used up its failures."""
        with self._lock:
            started, count = self._failures.get(key, (0.0, 0))
        left = started + WINDOW_SECONDS - self._clock.monotonic()
        if count < MAX_FAILURES or left <= 0:
            left = self._left_of_all(key)
        if left > 0:
            raise ThrottledError("too many failed logins", retry_after=int(left) + 1)

    def failed(self, key: Key) -> None:
        now = self._clock.monotonic()
        with self._lock:
            started, count = self._failures.pop(key, (now, 0))
            if now - started >= WINDOW_SECONDS:
                started, count = now, 0
            self._failures[key] = (started, count + 1)
            while len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)
        name = _shared_name(key)
        self._ask(lambda pipeline: pipeline.set(name, 0, ex=int(WINDOW_SECONDS), nx=True).incr(name))

    def succeeded(self, key: Key) -> None:
        with self._lock:
            self._failures.pop(key, None)
        self._ask(lambda pipeline: pipeline.delete(_shared_name(key)))

    def _left_of_all(self, key: Key) -> float:
        """Seconds that all processes together have to refuse `key` for; 0 where Redis does not say."""
        name = _shared_name(key)
        found = self._ask(lambda pipeline: pipeline.get(name).ttl(name))
        if not found or int(found[0] or 0) < MAX_FAILURES:
            return 0.0
        return float(max(found[1], 0))

    def _ask(self, commands: Any) -> list[Any]:
        if self._shared is None:
            return []
        try:
            with self._shared.pipeline(transaction=True) as pipeline:
                commands(pipeline)
                return list(pipeline.execute())
        except redis.RedisError:
            return []


def _shared_name(key: Key) -> str:
    """What was typed as a name may be a password: Redis keeps its hash alone."""
    digest = sha256("\0".join(key).encode("utf-8", "replace")).hexdigest()
    return f"drover:logins:{digest}"
