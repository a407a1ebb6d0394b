"""What many readers watch, looked up once for all of them.

A board holds the state of each watched key. It asks the database for the keys whose bell rang, and for all of
them every `look_seconds`, in one query however many there are and however many readers watch.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Generic, TypeVar
from uuid import UUID

from drover_shared.logging import get_logger

from drover_api.live.bells import Bells, Ring
from drover_api.live.loop import LiveLoop

LOOK_SECONDS = 1.0  # the longest time between a commit that no bell announced and its readers
PING_SECONDS = 15.0
GAP_SECONDS = 0.04  # between two looks: bells that ring faster are answered together
_log = get_logger("drover.api.live")

K = TypeVar("K", bound=Hashable)
S = TypeVar("S")


class Watch(Generic[S]):
    """The state of one key (None: there is no such thing), shared by its readers; `version` 0: not known."""

    def __init__(self) -> None:
        self.state: S | None = None
        self.version = 0
        self.readers = 0
        self._waiting: list[asyncio.Future[bool]] = []

    async def news(self, seen: int) -> bool:
        """True as soon as the version is another than `seen`; False when it is time for a sign of life."""
        if self.version != seen:
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    def publish(self, state: S | None) -> None:
        if self.version == 0 or state != self.state:
            self.state, self.version = state, self.version + 1
            self.wake(news=True)

    def wake(self, *, news: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(news)


class Board(Generic[K, S]):
    """Watches of one kind. `read` blocks and answers for many keys; `run_of` names the run whose bell counts.

    All of it lives in the loop.
    """

    def __init__(
        self,
        loop: LiveLoop,
        bells: Bells,
        read: Callable[[Iterable[K]], Mapping[K, S]],
        run_of: Callable[[K, S | None], UUID | None],
        gap_seconds: float = GAP_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._loop = loop
        self._bells = bells
        self._read = read
        self._run_of = run_of
        self._gap_seconds = gap_seconds
        self._look_seconds = look_seconds
        self._watches: dict[K, Watch[S]] = {}
        self._listening: dict[K, tuple[UUID, Ring]] = {}
        self._due: set[K] = set()
        self._rung = asyncio.Event()
        self._turning = False

    @asynccontextmanager
    async def watch(self, key: K) -> AsyncGenerator[Watch[S], None]:
        """The key's watch, whose state is known."""
        found = self._watches.get(key)
        if found is None:
            found = self._watches[key] = Watch()
            self._listen(key, None)
            self._ring(key)
        if not self._turning:
            self._turning = True
            self._loop.spawn(self._turn())
            self._loop.spawn(self._ping())
        found.readers += 1
        try:
            while found.version == 0:
                await found.news(0)
            yield found
        finally:
            found.readers -= 1
            if not found.readers:
                self._forget(key)

    async def _turn(self) -> None:
        clock = asyncio.get_running_loop().time
        full = clock()
        while True:
            try:
                async with asyncio.timeout(max(full - clock(), 0)):
                    await self._rung.wait()
            except TimeoutError:
                full = clock() + self._look_seconds
                self._due.update(self._watches)
            self._rung.clear()
            due, self._due = self._due & self._watches.keys(), set()
            if due:
                await self._look(due)
                await asyncio.sleep(self._gap_seconds)

    async def _look(self, keys: Iterable[K]) -> None:
        """A failure is told, and made up for by the next look."""
        try:
            states = await self._loop.call(self._read, keys)
        except Exception as error:  # noqa: BLE001 - whatever it is, readers wait on
            _log.warning("live_look_failed", error=type(error).__name__)
            return
        for key in keys:
            watch, state = self._watches.get(key), states.get(key)
            if watch is not None:
                self._listen(key, state)
                watch.publish(state)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            for watch in list(self._watches.values()):
                watch.wake(news=False)

    def _listen(self, key: K, state: S | None) -> None:
        run_id = self._run_of(key, state)
        before = self._listening.get(key)
        if run_id is None or (before is not None and before[0] == run_id):
            return
        if before is not None:
            self._bells.remove(*before)
        loop = asyncio.get_running_loop()

        def ring() -> None:
            with suppress(RuntimeError):  # the process stops
                loop.call_soon_threadsafe(self._ring, key)

        self._listening[key] = (run_id, ring)
        self._bells.add(run_id, ring)

    def _ring(self, key: K) -> None:
        self._due.add(key)
        self._rung.set()

    def _forget(self, key: K) -> None:
        del self._watches[key]
        if key in self._listening:
            self._bells.remove(*self._listening.pop(key))
