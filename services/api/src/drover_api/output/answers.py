"""Streamed answers: a log or a part of it, and live streams."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import chain
from uuid import UUID

from flask import Response, current_app, request
from werkzeug.datastructures import Range

from drover_api.deps import deps
from drover_api.http.unit import commit_now, session
from drover_api.output.follow import followed
from drover_api.output.formats import CONTENT_TYPES, EXTENSIONS, formatted
from drover_api.output.live import Source, Viewers
from drover_api.output.log import Extent, LogReader, extent
from drover_api.problems import problem

RETRY_SECONDS = "5"
_READER, _VIEWERS = "drover-log-reader", "drover-live-viewers"
_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def log_answer(run_id: UUID | None, kind: str, *, download: bool, follow: bool) -> Response:
    """The log of a run in one of the formats; an empty one where there is no run yet.

    `Range` is honoured for the log's own bytes (`ansi`); other formats are answered whole.
    """
    known = Extent(0, 0) if run_id is None else extent(session(), run_id)
    commit_now()
    if follow and run_id is not None:
        return _with_headers(_followed(run_id, kind, known.size), kind, run_id, download=download)
    start, end = 0, known.size
    wanted = _wanted() if kind == "ansi" else None
    if wanted is not None:
        part = wanted.range_for_length(known.size)
        if part is None:
            return _unsatisfiable(known.size)
        start, end = part
    answer = Response(_body(run_id, kind, start, end))
    if kind == "ansi":
        answer.headers["Accept-Ranges"] = "bytes"
        answer.content_length = end - start
    if wanted is not None:
        answer.status_code = HTTPStatus.PARTIAL_CONTENT
        answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{known.size}"
    return _with_headers(answer, kind, run_id, download=download)


def _wanted() -> Range | None:
    """The request's one range of bytes; None for none, several, or one that depends on `If-Range`.

    RFC 9110 lets a server answer those with the whole.
    """
    given = request.range
    ours = given is not None and given.units == "bytes" and len(given.ranges) == 1
    return given if ours and "If-Range" not in request.headers else None


def _unsatisfiable(size: int) -> Response:
    headers = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
    detail = f"The log has {size} bytes so far."
    return problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, headers=headers)


def _body(run_id: UUID | None, kind: str, start: int, end: int) -> Iterator[bytes]:
    """The first piece is read before the answer begins, so that a store that is away is an honest 503."""
    pieces: Iterator[bytes] = iter(())
    if run_id is not None and start < end:
        pieces = log_reader().read(run_id, start, end)
    first = next(pieces, b"")
    return formatted(kind, chain((first,), pieces))


def _followed(run_id: UUID, kind: str, size: int) -> Response:
    start = 0
    wanted = _wanted() if kind == "ansi" else None
    if wanted is not None:
        begin = wanted.ranges[0][0]
        start = max(size + begin, 0) if begin < 0 else begin
    pieces = followed(live_source(), log_reader(), run_id, start)
    return live(lambda: formatted(kind, pieces), CONTENT_TYPES[kind])


def live_source() -> Source:
    """The application's own."""
    return Source(deps().sessions, deps().redis, deps().stopping)


def live(stream: Callable[[], Iterator[bytes]], content_type: str) -> Response:
    """A stream that stays open, in one of the process's places for such; 503 where none is free."""
    commit_now()
    viewers = _viewers()
    if not viewers.enter():
        detail = "Too many live readers at this process."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": RETRY_SECONDS})
    answer = Response(stream(), content_type=content_type, headers=_UNBUFFERED)
    answer.call_on_close(viewers.leave)
    return answer


def _with_headers(answer: Response, kind: str, run_id: UUID | None, *, download: bool) -> Response:
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        return answer
    answer.headers["Content-Type"] = CONTENT_TYPES[kind]
    if kind == "html":
        answer.headers["Content-Security-Policy"] = _HTML_POLICY
    if download:
        name = f"job-run-{run_id}.{EXTENSIONS[kind]}"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def log_reader() -> LogReader:
    """The application's one reader."""
    reader: LogReader | None = current_app.extensions.get(_READER)
    if reader is None:
        reader = current_app.extensions.setdefault(_READER, LogReader(deps().sessions, deps().objects))
    return reader


def _viewers() -> Viewers:
    viewers: Viewers | None = current_app.extensions.get(_VIEWERS)
    if viewers is None:
        places = max(deps().settings.threads // 2, 1)
        viewers = current_app.extensions.setdefault(_VIEWERS, Viewers(places))
    return viewers
