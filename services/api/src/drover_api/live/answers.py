"""From a view to a stream that stays: the connection goes to the event loop, the thread back to its pool."""

from collections.abc import AsyncGenerator, Callable, Iterator
from http import HTTPStatus
from itertools import chain

from flask import Response, request

from drover_api.deps import deps
from drover_api.http.unit import commit_now
from drover_api.live import sse
from drover_api.live.grants import Grant
from drover_api.live.service import Live
from drover_api.live.worker import Connection, current_connection, taken
from drover_api.problems import problem

RETRY_SECONDS = "5"
UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Stream = AsyncGenerator[bytes, None]


def live_messages(stream: Callable[[], Stream], grant: Grant | None) -> Response:
    """`live` of server-sent events."""
    return live(stream, sse.CONTENT_TYPE, grant, first=sse.RETRY)


def live(
    stream: Callable[[], Stream], content_type: str, grant: Grant | None, *, first: bytes = b""
) -> Response:
    """`stream` as an answer that stays open, in one of the process's places; 503 where none is free.

    It ends when `grant` no longer stands. The connection carries no other request afterwards.
    """
    commit_now()
    if request.method == "HEAD":
        return Response(content_type=content_type, headers=UNBUFFERED)
    found = deps().live
    if not found.places.enter():
        detail = "Too many live readers at this process."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": RETRY_SECONDS})
    leave = once(found.places.leave)
    connection = current_connection()
    if connection is None:
        body = chain((first,), found.loop.pulled(stream()))
        answer = Response(body, content_type=content_type, headers=UNBUFFERED)
        answer.call_on_close(leave)
        return answer
    connection.announce_close()
    handing = Handing(found, connection, stream, grant, leave, connection.chunked, first)
    answer = Response(handing.pieces(), content_type=content_type, headers=UNBUFFERED)
    answer.call_on_close(handing.closed)
    return answer


class Handing:
    """Gives a connection to the loop once gunicorn has sent the head of the answer."""

    def __init__(
        self,
        found: Live,
        connection: Connection,
        stream: Callable[[], Stream],
        grant: Grant | None,
        leave: Callable[[], None],
        chunked: bool,
        first: bytes = b"",
    ) -> None:
        self._live = found
        self._connection = connection
        self._stream = stream
        self._grant = grant
        self._leave = leave
        self._chunked = chunked
        self._first = first
        self._handed = False

    def pieces(self) -> Iterator[bytes]:
        yield self._first  # gunicorn sends the head with the first piece, and no chunk for an empty one
        sock = self._connection.take()
        try:
            self._live.drive(sock, self._stream(), self._grant, chunked=self._chunked, over=self._leave)
            self._handed = True
        except RuntimeError:  # the process stops: the stream breaks off before it begins
            sock.close()
        raise taken()

    def closed(self) -> None:
        if not self._handed:
            self._leave()


def once(action: Callable[[], None]) -> Callable[[], None]:
    """`action` at the first call only: for an action that several ends of an answer may call for."""
    left = [action]

    def act() -> None:
        if left:
            left.pop()()

    return act
