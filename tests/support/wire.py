"""A TCP connection that can be cut: one proxy for one client and one server."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import Enum
from typing import Any

_CHUNK = 65536
_SLOW_SECONDS = 0.3  # what each piece of data takes on a slow wire
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: RST instead of FIN


class Cut(Enum):
    """What is wrong with a wire; `there` is from the client to the server."""

    NONE = "whole"
    HOLE = "takes everything and brings nothing"
    RESET = "resets every connection"
    SLOW = "slow"
    THERE = "brings nothing to the server"
    BACK = "brings no answers"


class After(Enum):
    """What becomes of the connections that were there when a wire is whole again."""

    RESUME = "go on"
    RESET = "are reset"
    FORGET = "stay dead without a word"  # as behind a router that forgot them


_HELD = {Cut.HOLE: {"there", "back"}, Cut.THERE: {"there"}, Cut.BACK: {"back"}}


class Switchboard:
    """The thread that all wires of a test live in."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._thread.start()

    def connect(self, port: int) -> "Wire":
        """A wire to a server of this machine."""
        wire = Wire(self, port)
        self.call(wire.listen())
        return wire

    def call(self, work: "Coroutine[Any, Any, None]") -> None:
        """Do it in the wires' thread, and return when it is done."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        """End every connection, and the thread."""
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Wire:
    """Clients connect to `port`. What a held direction took is brought when it is whole again, as by TCP."""

    def __init__(self, board: Switchboard, server_port: int) -> None:
        self._board, self._server_port = board, server_port
        self._cut = Cut.NONE
        self._whole = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()
        self._dead: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self, how: Cut) -> None:
        self._board.call(self._become(how, After.RESET if how is Cut.RESET else After.RESUME))

    def heal(self, after: After) -> None:
        self._board.call(self._become(Cut.NONE, after))

    async def _become(self, how: Cut, after: After) -> None:
        self._cut = how
        if after is After.RESET:
            for end in list(self._ends):
                _reset(end)
        if after is After.FORGET:
            self._dead |= self._ends
        self._whole.set()  # whoever waits looks again
        self._whole = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut is Cut.RESET:
            _reset(writer)
            return
        try:
            behind = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            _reset(writer)
            return
        ends = {writer, behind[1]}
        self._ends |= ends
        try:
            there = self._pump("there", reader, behind[1])
            back = self._pump("back", behind[0], writer)
            await asyncio.gather(there, back)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._ends -= ends
            self._dead -= ends
            for end in ends:
                _reset(end)

    async def _pump(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            while way in _HELD.get(self._cut, ()) or writer in self._dead:
                await self._whole.wait()
            if self._cut is Cut.SLOW:
                await asyncio.sleep(_SLOW_SECONDS)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


def _reset(end: asyncio.StreamWriter) -> None:
    found: socket.socket | None = end.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    end.transport.abort()
