"""Rings after commits, in a thread of their own: no request waits for Redis, whatever it is doing.

All are best effort. Whoever is rung for looks into the database by itself, too.
"""

import threading
from collections import deque
from contextlib import suppress
from uuid import UUID

import redis
from drover_shared.messages.streams import run_channel
from drover_shared.pause import Pause
from drover_shared.queue import Doorbell, quick_client

STATE = "state"
_MOST = 10_000  # rings that wait; an older one makes room


class Ringer:
    """Safe for many threads. Nothing connects, and no thread runs, before the first ring.

    After a failure of any ring nobody is rung for until `pause` is over.
    """

    def __init__(self, redis_url: str, pause: Pause | None = None) -> None:
        self._url, self._pause = redis_url, pause or Pause()
        self._waiting: deque[int | UUID] = deque(maxlen=_MOST)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def job_waits(self, job_id: int) -> None:
        """For the scheduler: a job waits, or has ended and made room."""
        self._add(job_id)

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

    def _add(self, what: int | UUID) -> None:
        with self._changed:
            self._waiting.append(what)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._ring_all, name="rings", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _ring_all(self) -> None:
        bell, client = Doorbell(self._url, self._pause), quick_client(self._url)
        with suppress(IndexError):  # closed, and nothing waits
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._closed)
                    what = self._waiting.popleft()
                if isinstance(what, int):
                    bell.job_waits(what)
                else:
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
