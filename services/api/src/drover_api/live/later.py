"""An answer that comes later: its connection waits in the event loop, and no thread with it."""

import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response

from drover_api.deps import deps
from drover_api.http.unit import commit_now
from drover_api.live.answers import once
from drover_api.live.worker import Connection, current_connection, taken
from drover_api.problems import problem

RETRY_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told in the end: a status, and JSON where there is a body."""

    status: HTTPStatus
    document: Any = None

    @property
    def body(self) -> bytes:
        return b"" if self.document is None else json.dumps(self.document).encode()


Wait = Callable[[], Coroutine[Any, Any, Answer]]


def later(wait: Wait) -> Response:
    """The answer of `wait`, which runs in the loop, in one of the process's places; 503 where none is free.

    The connection is closed after it. Where the process stops meanwhile, it is closed without an answer.
    """
    commit_now()
    found = deps().live
    if not found.places.enter():
        detail = "Too many wait at this process."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": RETRY_SECONDS})
    leave = once(found.places.leave)
    connection = current_connection()
    if connection is None:
        try:
            told = found.loop.run(wait()).result()
        finally:
            leave()
        return Response(told.body, told.status, content_type="application/json")
    waiting = _Waiting(wait, connection, leave)
    waiting.response = Response(waiting.pieces(), content_type="application/json")
    waiting.response.call_on_close(waiting.closed)
    return waiting.response


class _Waiting:
    """Takes the connection before gunicorn wrote anything; the answer is written whole, with its head."""

    response: Response

    def __init__(self, wait: Wait, connection: Connection, leave: Callable[[], None]) -> None:
        self._live = deps().live
        self._wait = wait
        self._connection = connection
        self._leave = leave
        self._handed = False

    def pieces(self) -> Iterator[bytes]:
        headers = [(name, value) for name, value in self.response.headers if name != "Content-Length"]
        sock = self._connection.take()

        async def stream() -> AsyncGenerator[bytes, None]:
            told = await self._wait()
            yield _head(told, headers) + told.body

        try:
            self._live.drive(sock, stream(), None, chunked=False, over=self._leave)
            self._handed = True
        except RuntimeError:  # the process stops
            sock.close()
        raise taken()
        yield b""  # never: it makes this a generator

    def closed(self) -> None:
        if not self._handed:
            self._leave()


def _head(told: Answer, headers: list[tuple[str, str]]) -> bytes:
    """Status line and headers (RFC 9112); an answer without a content says no type and no length."""
    lines = [f"HTTP/1.1 {told.status.value} {told.status.phrase}", "Connection: close"]
    if told.document is None:
        headers = [(name, value) for name, value in headers if name != "Content-Type"]
    else:
        lines.append(f"Content-Length: {len(told.body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
