"""Whether a worker process gets on with its work: what its heartbeat to gunicorn, and /livez, rest on.

Two things can hang in it while the thread that accepts connections goes on: every request thread, and the
event loop of live readers. A process in which either hangs is replaced.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from drover_shared.clock import Clock
from drover_shared.health import Check
from drover_shared.streams.progress import Progress


class Turning:
    """The progress of one process; safe for many threads."""

    def __init__(self, clock: Clock, threads: int, limit_seconds: float) -> None:
        self.loop = Progress(clock, limit_seconds)
        self.loop_runs = False
        self._requests = Progress(clock, limit_seconds)
        self._threads = threads
        self._lock = threading.Lock()
        self._in_hand = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request thread is at work."""
        with self._lock:
            self._in_hand += 1
            self._requests.touch()
        try:
            yield
        finally:
            with self._lock:
                self._in_hand -= 1
                self._requests.touch()

    def checks(self) -> Mapping[str, Check]:
        """Each raises StalledError."""
        return {"requests": self._check_requests, "live": self._check_loop}

    def check(self) -> None:
        """Raise StalledError where anything hangs."""
        for check in self.checks().values():
            check()

    def _check_requests(self) -> None:
        """No thread is free, and for longer than the limit none became free."""
        if self._in_hand >= self._threads:
            self._requests.check()

    def _check_loop(self) -> None:
        if self.loop_runs:
            self.loop.check()
