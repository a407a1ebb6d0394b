"""A process's live readers: made with its dependencies, and nothing runs before the first of them comes."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import redis
from drover_shared.logging import get_logger
from sqlalchemy.orm import Session

from drover_api.live.bells import Bells
from drover_api.live.grants import Grant, standing
from drover_api.live.loop import LiveLoop
from drover_api.live.readers import Guard, Places
from drover_api.live.shared_reads import SharedReads
from drover_api.live.sockets import drive
from drover_api.live.turning import Turning

READ_THREADS = 4  # of the database and the object store, for all readers together
DOWNLOAD_THREADS = 4
_log = get_logger("drover.api.live")


class Live:
    """`close` ends every stream."""

    def __init__(
        self,
        sessions: Callable[[], Session],
        client: "redis.Redis",
        places: int,
        recheck_seconds: float,
        turning: Turning,
    ) -> None:
        self.loop = LiveLoop(READ_THREADS, turning)
        self.bells = Bells(client)
        self.reads = SharedReads(self.loop)
        self.places = Places(places)
        self._downloads = ThreadPoolExecutor(DOWNLOAD_THREADS, thread_name_prefix="download")
        self._guard = Guard(self.loop, partial(standing, sessions), recheck_seconds)

    def drive(
        self,
        sock: socket.socket,
        stream: AsyncGenerator[bytes, None],
        grant: Grant | None,
        *,
        chunked: bool,
        over: Callable[[], None],
    ) -> None:
        """Hand a connection to the loop, where it stays until the stream ends; `over` is called then."""

        async def turn() -> None:
            try:
                task = asyncio.current_task()
                if grant is not None and task is not None:
                    self._guard.watch(task, grant)
                await drive(sock, stream, chunked=chunked)
            except Exception as error:  # noqa: BLE001 - the head is sent: breaking off is all that can be told
                _log.warning("stream_failed", error=type(error).__name__)
            finally:
                over()

        self.loop.run(turn())

    async def pushed(self, pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """`pieces` of a source that blocks; its thread waits for the source, and never for the reader."""
        loop = asyncio.get_running_loop()
        try:
            while (piece := await loop.run_in_executor(self._downloads, next, pieces, None)) is not None:
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                self._downloads.submit(close)

    def stop(self) -> None:
        """Let every stream break off, without waiting for it."""
        self.loop.stop()

    def close(self) -> None:
        self.bells.close()
        self.loop.close()
        self._downloads.shutdown(wait=False, cancel_futures=True)
