"""Rings after commits, in a thread of their own: no request waits for Redis, whatever it is doing.

All are best effort. Whoever is rung for looks into the database by itself, too.
"""

import threading
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import redis
from drover_shared.messages.streams import run_channel
from drover_shared.pause import Pause
from drover_shared.queue import Doorbell, quick_client

STATE = "state"
_MOST = 10_000  # rings that wait; an older one makes room


@dataclass(frozen=True, slots=True)
class _JobWaits:
    job_id: int
    pool: str | None


class Ringer:
    """Safe for many threads. Nothing connects, and no thread runs, before the first ring.

    After a failure of any ring nobody is rung for until `pause` is over.
    """

    def __init__(self, redis_url: str, pause: Pause | None = None) -> None:
        self._url, self._pause = redis_url, pause or Pause()
        self._waiting: deque[_JobWaits | UUID] = deque()
        self._of_pool: Counter[str] = Counter()  # how many of those that wait are for the pool alone
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def job_waits(self, job_id: int, pool: str | None = None) -> None:
        """For the scheduler: a job waits, or has ended and made room.

        With a `pool` it is that pool alone which has something to decide: of many such rings that wait here
        at once, as after a launch of a thousand, only the last is rung.
        """
        self._add(_JobWaits(job_id, pool))

    def state_changed(self, run_id: UUID) -> None:
        """For live readers: a run or its job changed its state."""
        self._add(run_id)

    def close(self, timeout: float = 2.0) -> None:
        """Ring for what waits, as long as it takes no longer than this."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout)

    def _add(self, what: "_JobWaits | UUID") -> None:
        with self._changed:
            if len(self._waiting) == _MOST:
                self._next()
            self._waiting.append(what)
            if isinstance(what, _JobWaits) and what.pool is not None:
                self._of_pool[what.pool] += 1
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._ring_all, name="rings", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _next(self) -> "_JobWaits | UUID | None":
        """Take what waits longest; None where another that waits says the same. IndexError: nothing waits."""
        what = self._waiting.popleft()
        if isinstance(what, _JobWaits) and what.pool is not None:
            self._of_pool[what.pool] -= 1
            return None if self._of_pool[what.pool] else what
        return what

    def _ring_all(self) -> None:
        bell, client = Doorbell(self._url, self._pause), quick_client(self._url)
        with suppress(IndexError):  # closed, and nothing waits
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._closed)
                    what = self._next()
                if isinstance(what, _JobWaits):
                    bell.job_waits(what.job_id)
                elif what is not None:
                    self._publish(client, what)
        bell.close()
        client.close()

    def _publish(self, client: "redis.Redis", run_id: UUID) -> None:
        if self._pause.lasts:
            return
        try:
            client.publish(run_channel(run_id), STATE)
        except redis.RedisError:
            self._pause.begin()
