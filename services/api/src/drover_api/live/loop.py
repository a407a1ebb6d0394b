"""The event loop that live readers live in: one thread a process, started with the first of them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from drover_api.live.turning import Turning

T = TypeVar("T")
CLOSE_SECONDS = 5.0
_PULSE_SECONDS = 1.0


class LiveLoop:
    """Runs coroutines beside the request threads. `call` asks a database or a store, in few threads."""

    def __init__(self, threads: int, turning: Turning) -> None:
        self._turning = turning
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="live-read")
        self._lock = threading.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start `coroutine`; the answer can be waited for by any thread. Raises RuntimeError once closed."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._running())
        except RuntimeError:
            coroutine.close()
            raise

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """From inside of the loop: a task that is kept until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """The answer of a function that blocks."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def pulled(self, stream: AsyncGenerator[bytes, None]) -> Iterator[bytes]:
        """`stream` for a thread that waits for each piece of it: a server without this loop's sockets."""
        try:
            while True:
                try:
                    yield self.run(_next(stream)).result()
                except StopAsyncIteration:
                    return
        finally:
            with suppress(RuntimeError):  # the loop is gone, and the stream with it
                self.run(_close(stream)).result(CLOSE_SECONDS)

    def stop(self) -> None:
        """Ask every task to end, without waiting for it; safe in a signal handler."""
        self._closed = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        """End every task, then the threads."""
        self.stop()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError("the loop of live readers is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                arguments = (self._loop, self._turning)
                self._thread = threading.Thread(target=_turn, args=arguments, name="live", daemon=True)
                self._thread.start()
            return self._loop


async def _next(stream: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(stream)


async def _close(stream: AsyncGenerator[bytes, None]) -> None:
    await stream.aclose()


def _turn(loop: asyncio.AbstractEventLoop, turning: Turning) -> None:
    """Until it is stopped; then every task is cancelled, so that sockets and connections are let go."""
    asyncio.set_event_loop(loop)

    def pulse() -> None:
        turning.loop.touch()
        loop.call_later(_PULSE_SECONDS, pulse)

    pulse()
    turning.loop_runs = True
    try:
        loop.run_forever()
    finally:
        turning.loop_runs = False
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
