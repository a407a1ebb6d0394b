"""The time that leases are judged by: the database's, as long as its clock only goes on.

Executors count their leases by clocks of their own that never jump. A database whose clock is set forward
would end them all at once, while their playbooks still run; so its clock is believed only as far as this
process has seen time pass.
"""

from collections import deque
from datetime import datetime, timedelta

from drover_shared.clock import Clock


class LeaseTime:
    """Holds back a database clock that was set forward, for `window_seconds`: a whole lease and its grace.

    By then every lease that was given by the old clock is renewed by the new one, or really over.
    """

    def __init__(self, clock: Clock, window_seconds: float) -> None:
        self._clock, self._window = clock, window_seconds
        self._seen: deque[tuple[float, float]] = deque()  # (monotonic, how far the database is ahead of it)
        self._since: float | None = None

    def judge(self, database_now: datetime) -> datetime | None:
        """What time it is for a lease, given what the database says now; never later than that.

        None in the first window of this process: it cannot know yet whether the clock was set just before.
        """
        monotonic = self._clock.monotonic()
        ahead = database_now.timestamp() - monotonic
        self._since = monotonic if self._since is None else self._since
        oldest = monotonic - self._window
        # An observation holds until the one after it: the clock may have been set anywhere between the two.
        while len(self._seen) > 1 and self._seen[1][0] <= oldest:
            self._seen.popleft()
        self._seen.append((monotonic, ahead))
        if self._since > oldest:
            return None
        lowest = min(before for _, before in self._seen)
        return database_now - timedelta(seconds=ahead - lowest)
