"""Answers with a log or a part of it."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain

from flask import Response, request
from werkzeug.datastructures import Range
from werkzeug.http import quote_etag

from drover_api.deps import deps
from drover_api.http.unit import commit_now, session
from drover_api.live.downloads import download
from drover_api.output.boards import boards
from drover_api.output.formats import CONTENT_TYPES, EXTENSIONS, formatted
from drover_api.output.known_log import KnownLog, known_log_of
from drover_api.output.lines import Lines, cut_lines
from drover_api.output.runs import OutputOf
from drover_api.problems import problem

PRESIGNED_SECONDS = 600  # how long an address at the store can be used to begin a download
_HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True, slots=True)
class AskedLog:
    """The form in which a log is asked for."""

    kind: str
    lines: Lines | None = None
    download: bool = False
    presigned: bool = False


def log_answer(known: KnownLog, name: str, asked: AskedLog) -> Response:
    """A log in one of the formats; `name` is a file's, without its ending.

    `Range` is honoured for the log's own bytes (`ansi`), conditions by the ETag of a complete log. A client
    that takes gzip gets an archived log as it lies; one that asks for `presigned` is sent to the store for
    it, where it can be reached, and gets the log itself where it cannot.
    """
    commit_now()
    bare = asked.kind == "ansi" and asked.lines is None
    tag = None if known.version is None else _tag(known.version, asked)
    if tag is not None and request.if_none_match.contains(tag):
        return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": quote_etag(tag)})
    if bare and asked.presigned and known.whole is not None:
        address = deps().objects.presigned(
            known.whole.key, _file_name(name, asked.kind), known.whole.encoding, PRESIGNED_SECONDS
        )
        if address is not None:
            return Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": address})
    wanted = wanted_range(tag) if bare else None
    if bare and wanted is None and _takes_gzip(known):
        answer = _as_it_lies(known, tag)
    else:
        answer = _written(known, asked, wanted)
        if tag is not None:
            answer.headers["ETag"] = quote_etag(tag)
    answer.headers["Vary"] = "Accept, Accept-Encoding"
    return with_headers(answer, asked.kind, name, download=asked.download)


def _written(known: KnownLog, asked: AskedLog, wanted: Range | None) -> Response:
    start, end = 0, known.size
    if wanted is not None:
        part = wanted.range_for_length(known.size)
        if part is None:
            return _unsatisfiable(known.size)
        start, end = part
    size = end - start if asked.kind == "ansi" and asked.lines is None else None
    answer = download(Response(), _body(known, asked, start, end), size)
    if size is not None:
        answer.headers["Accept-Ranges"] = "bytes"
        answer.content_length = size
    if wanted is not None:
        answer.status_code = HTTPStatus.PARTIAL_CONTENT
        answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{known.size}"
    elif known.sha256 is not None and asked.kind == "ansi" and asked.lines is None:
        digest = b64encode(bytes.fromhex(known.sha256)).decode()
        answer.headers["Repr-Digest"] = f"sha-256=:{digest}:"  # RFC 9530
    return answer


def _as_it_lies(known: KnownLog, tag: str | None) -> Response:
    """The archive itself: what it costs is the network's time alone."""
    whole = known.whole
    assert whole is not None  # noqa: S101 - `_takes_gzip` looked
    pieces = deps().objects.stream(whole.key, 0, whole.size)
    first = next(pieces, b"")
    answer = download(Response(headers={"Content-Encoding": "gzip"}), chain((first,), pieces), whole.size)
    answer.content_length = whole.size
    if tag is not None:
        answer.headers["ETag"] = quote_etag(f"{tag}-gzip")
    return answer


def _takes_gzip(known: KnownLog) -> bool:
    archived = known.whole is not None and known.whole.encoding == "gzip"
    return archived and "gzip" in {name for name, quality in request.accept_encodings if quality > 0}


def _tag(version: str, asked: AskedLog) -> str:
    """Of the complete log in this form, without the quotes."""
    lines = "" if asked.lines is None else f"-{asked.lines.start}-{asked.lines.end}"
    return version + ("" if asked.kind == "ansi" else f"-{asked.kind}") + lines


def wanted_range(tag: str | None = None) -> Range | None:
    """The request's one range of bytes; None for none, several, or one that another state was meant for.

    RFC 9110 lets a server answer several with the whole, and makes it do so where `If-Range` is not `tag`.
    """
    given = request.range
    ours = given is not None and given.units == "bytes" and len(given.ranges) == 1
    condition = request.if_range
    meant = "If-Range" not in request.headers or (tag is not None and condition.etag == tag)
    return given if ours and meant else None


def _unsatisfiable(size: int) -> Response:
    headers = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
    detail = f"The log has {size} bytes so far."
    return problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, headers=headers)


def _body(known: KnownLog, asked: AskedLog, start: int, end: int) -> Iterator[bytes]:
    """The first piece is read before the answer begins, so that a store that is away is an honest 503."""
    pieces: Iterator[bytes] = iter(())
    if start < end:
        reader = boards().reader
        if asked.lines is None:
            pieces = reader.read_parts(known.parts, start, end)
        elif len(known.parts) == 1:
            pieces = reader.read_lines(known.parts[0][0], end, asked.lines)
        else:
            pieces = cut_lines(reader.read_parts(known.parts, start, end), asked.lines)
    first = next(pieces, b"")
    return formatted(asked.kind, chain((first,), pieces))


def follow_start(output: OutputOf, kind: str) -> int:
    """Where a followed log begins: what `Range` says of its first byte, counted from what is stored now."""
    wanted = wanted_range() if kind == "ansi" else None
    begin = 0 if wanted is None else wanted.ranges[0][0]
    if begin >= 0:
        return begin
    return max(known_log_of(session(), output).size + begin, 0)


def with_headers(answer: Response, kind: str, name: str, *, download: bool) -> Response:
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        return answer
    answer.headers["Content-Type"] = CONTENT_TYPES[kind]
    if kind == "html":
        answer.headers["Content-Security-Policy"] = _HTML_POLICY
    if download:
        answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(name, kind)}"'
    return answer


def file_name(job_id: int, output: OutputOf) -> str:
    """Of a log's file, without its ending."""
    return f"job-{job_id}" if output.slices is not None else f"job-run-{output.run_id}"


def _file_name(name: str, kind: str) -> str:
    return f"{name}.{EXTENSIONS[kind]}"
