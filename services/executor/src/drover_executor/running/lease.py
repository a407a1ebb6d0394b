"""How long an attempt is ours."""

import threading
from collections.abc import Callable

from drover_executor.lease_clock import Deadline, lease_clock


class Lease:
    """Counted by our own clock. Safe for many threads.

    `dead_at` is when the work must be dead, `deadline` where the run's guard reads it: the guard ends the
    work when nobody has renewed the lease in time.
    """

    def __init__(
        self,
        seconds: float,
        dead_at: float,
        deadline: Deadline | None = None,
        monotonic: Callable[[], float] = lease_clock,
    ) -> None:
        self._seconds, self._monotonic, self._deadline = seconds, monotonic, deadline
        self._lock = threading.Lock()
        self._dead_at = dead_at
        if deadline is not None:
            deadline.move(dead_at)

    @classmethod
    def found(cls, seconds: float, deadline: Deadline) -> "Lease":
        """As an executor before this one left it; one from before the machine's start is over soon."""
        return cls(seconds, min(deadline.at, dead_at(seconds, lease_clock())), deadline)

    def renew(self, sent_at: float) -> bool:
        """Whether it is still ours; once its end has come nothing brings it back, for the work is dead."""
        with self._lock:
            if self.left <= 0:
                return False
            self._dead_at = max(self._dead_at, dead_at(self._seconds, sent_at))
            if self._deadline is not None:
                self._deadline.move(self._dead_at)
            return True

    @property
    def left(self) -> float:
        """Seconds until the work must be dead; negative when it is too late."""
        return self._dead_at - self._monotonic()


def dead_at(lease_seconds: float, sent_at: float) -> float:
    """When the work under a lease must be dead: before the lease ends, with what it takes to kill in between.

    The lease is counted from before it was asked for.
    """
    return sent_at + lease_seconds - min(5.0, max(0.5, lease_seconds * 0.15))
