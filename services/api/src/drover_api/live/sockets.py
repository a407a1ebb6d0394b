"""A stream's way to its reader: over the connection's own socket, in the loop."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from drover_api.live import metrics

STALL_SECONDS = 60.0  # a reader that takes nothing for so long is gone
SLICE_BYTES = 64 * 1024
SEND_BUFFER_BYTES = 128 * 1024  # of the kernel, for a reader that is slower than its stream
_DRAIN_BYTES = 4096


async def drive(sock: socket.socket, stream: AsyncGenerator[bytes, None], *, chunked: bool) -> None:
    """Send `stream` until it ends, the reader goes, or it takes nothing for STALL_SECONDS.

    Only an end of the stream itself is told (by the last chunk, RFC 9112 7.1), so that a reader can tell it
    from a stream that broke off. At most one piece is in memory for a reader, however slow.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def readable() -> None:
        if _gone(sock) and task is not None:
            task.cancel()

    loop.add_reader(sock, readable)
    try:
        async with aclosing(stream):
            async for piece in stream:
                if piece:
                    await send(sock, _chunk(piece) if chunked else piece)
                    metrics.BYTES.inc(len(piece))
        if chunked:
            await send(sock, b"0\r\n\r\n")
    except (OSError, TimeoutError):
        pass  # the reader is gone; where it reads on, it connects again
    finally:
        loop.remove_reader(sock)
        with suppress(OSError):
            sock.close()


async def send(sock: socket.socket, data: bytes) -> None:
    """All of `data`. Raises TimeoutError where the reader takes nothing for STALL_SECONDS, else OSError."""
    try:
        sent = sock.send(data)
    except BlockingIOError:
        sent = 0
    view = memoryview(data)
    while sent < len(view):
        async with asyncio.timeout(STALL_SECONDS):
            await asyncio.get_running_loop().sock_sendall(sock, view[sent : sent + SLICE_BYTES])
        sent += SLICE_BYTES


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _gone(sock: socket.socket) -> bool:
    """Whether the other side has closed; what else it sends is not asked for, and dropped."""
    try:
        return not sock.recv(_DRAIN_BYTES)
    except BlockingIOError:
        return False
    except OSError:
        return True
