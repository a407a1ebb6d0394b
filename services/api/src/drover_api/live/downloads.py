"""Large answers go out through the event loop: a client that reads slowly holds no request thread."""

from collections.abc import Iterator

from flask import Response

from drover_api.deps import deps
from drover_api.live.answers import Handing, once
from drover_api.live.worker import current_connection

SMALL_BYTES = 1024 * 1024  # the kernel takes as much as this at once, or nearly


def download(answer: Response, pieces: Iterator[bytes], size: int | None) -> Response:
    """`answer` with the body `pieces`, of `size` bytes where that is known.

    Where the process has no place left in its loop, or another server runs the application, the thread that
    asked hands it out.
    """
    found, connection = deps().live, current_connection()
    small = size is not None and size <= SMALL_BYTES
    if small or connection is None or not found.places.enter():
        answer.response = pieces
        return answer
    connection.announce_close()
    handing = Handing(
        found,
        connection,
        lambda: found.pushed(pieces),
        grant=None,
        leave=once(found.places.leave),
        chunked=size is None and connection.chunked,
    )
    answer.response = handing.pieces()
    answer.call_on_close(handing.closed)
    return answer
