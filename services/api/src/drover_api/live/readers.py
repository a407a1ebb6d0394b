"""The readers of a process: how many there may be, and which may go on reading."""

import asyncio
import threading
from collections.abc import Callable, Iterable

from drover_shared.logging import get_logger

from drover_api.live import metrics
from drover_api.live.grants import Grant
from drover_api.live.loop import LiveLoop

_log = get_logger("drover.api.live")


class Places:
    """So many readers at once; safe for many threads."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    def enter(self) -> bool:
        """Whether there was a place; the one who got it calls `leave` once."""
        got = self._places.acquire(blocking=False)
        if got:
            metrics.READERS.inc()
        return got

    def leave(self) -> None:
        self._places.release()
        metrics.READERS.dec()


class Guard:
    """Ends the tasks of readers whose grant no longer stands; it lives in the loop."""

    def __init__(
        self, loop: LiveLoop, standing: Callable[[Iterable[Grant]], set[Grant]], recheck_seconds: float
    ) -> None:
        self._loop = loop
        self._recheck_seconds = recheck_seconds
        self._standing = standing
        self._tasks: dict[asyncio.Task[None], Grant] = {}
        self._turning = False

    def watch(self, task: "asyncio.Task[None]", grant: Grant) -> None:
        """From now until it ends."""
        self._tasks[task] = grant
        task.add_done_callback(self._tasks.pop)
        if not self._turning:
            self._turning = True
            self._loop.spawn(self._turn())

    async def _turn(self) -> None:
        while True:
            await asyncio.sleep(self._recheck_seconds)
            grants = set(self._tasks.values())
            if grants:
                await self._check(grants)

    async def _check(self, grants: set[Grant]) -> None:
        try:
            gone = grants - await self._loop.call(self._standing, grants)
        except Exception as error:  # noqa: BLE001 - nobody is sent away because the database is
            _log.warning("live_recheck_failed", error=type(error).__name__)
            return
        for task, grant in list(self._tasks.items()):
            if grant in gone:
                metrics.REVOKED.inc()
                task.cancel()
