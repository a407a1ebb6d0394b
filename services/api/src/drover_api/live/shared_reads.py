"""Readers at the same place get the same bytes, read and encoded once."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from drover_api.live.loop import LiveLoop

T = TypeVar("T")
MAX_BYTES = 16 * 1024 * 1024
MAX_READS = 256


class SharedReads:
    """The latest reads, those under way among them; what is remembered takes at most MAX_BYTES."""

    def __init__(self, loop: LiveLoop) -> None:
        self._loop = loop
        self._reads: OrderedDict[Hashable, asyncio.Task[Any]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}

    async def get(self, key: Hashable, size: Callable[[T], int], read: Callable[..., T], *given: Any) -> T:
        """What `read(*given)` answers; it blocks, and is asked once for all who ask for `key` now."""
        task = self._reads.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._loop.call(read, *given))
            self._reads[key] = task
            task.add_done_callback(lambda done: self._done(key, done, size))
        found: T = await asyncio.shield(task)
        return found

    def _done(self, key: Hashable, task: "asyncio.Task[Any]", size: Callable[[Any], int]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._reads.pop(key, None)
            return
        self._sizes[key] = size(task.result())
        while len(self._sizes) > MAX_READS or sum(self._sizes.values()) > MAX_BYTES:
            oldest = next(iter(self._sizes))
            del self._sizes[oldest], self._reads[oldest]
