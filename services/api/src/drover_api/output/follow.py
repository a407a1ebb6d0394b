"""A log that is read while it is written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drover_api.live import sse
from drover_api.output.attempts import first_attempt, number_after, prefix_of
from drover_api.output.boards import Boards
from drover_api.output.formats import Writer, open_escape, without_escapes
from drover_api.output.log import LogReader

PIECE_BYTES = 1024 * 1024  # pieces end at multiples of it, so that readers share them
MESSAGE_BYTES = 64 * 1024
_CUT_BYTES = 2048  # more than what may be cut off at the end of a message
_ESCAPE = b"\x1b"

Stream = AsyncGenerator[bytes, None]


async def followed(boards: Boards, run_id: UUID, kind: str, start: int) -> Stream:
    """The log from byte `start` on in one of the formats, as it is stored, until no more can come.

    It breaks off where the process stops: the job's `log_complete` and the bytes read so far tell.
    """
    writer = Writer(kind)
    yield writer.begin()
    async with aclosing(grown(boards, run_id, start)) as pieces:
        async for piece in pieces:
            yield writer.write(piece)
    yield writer.end()


async def grown(boards: Boards, run_id: UUID, start: int) -> Stream:
    """The log's own bytes from `start` on, as they are stored, until no more can come."""
    async with boards.runs.watch(run_id) as watch:
        while True:
            version, status = watch.version, watch.state
            if status is not None and start < status.log_size:
                piece = await _piece(boards, run_id, start, status.log_size, PIECE_BYTES)
                start += len(piece)
                yield piece
            elif status is None or status.log_over:
                return
            else:
                await watch.news(version)


async def job_followed(boards: Boards, job_id: int, kind: str, start: int) -> Stream:
    """As `followed`, of the job's current attempt; it waits for the first one, and without one is empty."""
    async with aclosing(first_attempt(boards, job_id)) as attempts:
        async for job in attempts:
            if job is not None and job.run_id is not None:
                async with aclosing(followed(boards, job.run_id, kind, start)) as stream:
                    async for piece in stream:
                        yield piece
                return
    writer = Writer(kind)
    yield writer.begin() + writer.end()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slice's log lies in its job's: what its ids are told with, and how many bytes are before it."""

    ids: int = 0
    offset: int = 0


async def log_stream(
    boards: Boards, run_id: UUID, kind: str, start: int, prefix: str = "", place: Place | None = None
) -> Stream:
    """The same as server-sent events; `id:` is how many bytes were told so far, and where a reader goes on.

    `data` is {"offset", "content"}: where it begins and its text, never cut inside of a character or an
    escape, with U+FFFD for broken bytes; of kind `txt` without escapes. `event: end` is the last message,
    but for a slice's run, whose job has another end.
    """
    async with boards.runs.watch(run_id) as watch:
        while True:
            version, status = watch.version, watch.state
            over = status is None or status.log_over
            size = 0 if status is None else status.log_size
            piece = b""
            if start < size:
                piece = await _piece(boards, run_id, start, size, MESSAGE_BYTES)
                if not (over and start + len(piece) == size):
                    piece = whole_text(piece)
            if piece:
                yield _message(kind, start, piece, prefix, place or _ALONE)
                start += len(piece)
            elif over:
                if place is not None:
                    return
                complete = status is not None and status.log_complete
                yield sse.message({"job_run_id": str(run_id), "complete": complete}, event="end")
                return
            elif not await watch.news(version):
                yield sse.PING


async def job_log_stream(boards: Boards, job_id: int, kind: str, last_id: str) -> Stream:
    """As `log_stream`, of the job's current attempt; it waits for the first, and without one just ends."""
    async with aclosing(first_attempt(boards, job_id)) as attempts:
        async for job in attempts:
            if job is None or job.run_id is None:
                yield sse.PING
                continue
            start, prefix = number_after(last_id, job.attempt, 0), prefix_of(job.attempt)
            async with aclosing(log_stream(boards, job.run_id, kind, start, prefix)) as stream:
                async for piece in stream:
                    yield piece
            return
    yield sse.message({"job_run_id": None, "complete": False}, event="end")


def whole_text(piece: bytes) -> bytes:
    """`piece` without a character or an escape at its end that is not over."""
    for back in range(1, min(len(piece), 3) + 1):
        if piece[-back] >= 0xC0:  # noqa: PLR2004 - the first byte of a character of several (RFC 3629)
            needs = 2 if piece[-back] < 0xE0 else 3 if piece[-back] < 0xF0 else 4  # noqa: PLR2004 - the same
            piece = piece[:-back] if back < needs else piece
            break
        if piece[-back] < 0x80:  # noqa: PLR2004 - a character of one byte
            break
    tail = piece[-_CUT_BYTES:].decode("utf-8", "replace")
    return piece if open_escape(tail) == len(tail) else piece[: piece.rindex(_ESCAPE)]


_ALONE = Place()


def _message(kind: str, start: int, piece: bytes, prefix: str, place: Place) -> bytes:
    text = piece.decode("utf-8", "replace")
    data: dict[str, Any] = {
        "offset": place.offset + start,
        "content": text if kind == "ansi" else without_escapes(text),
    }
    return sse.message(data, message_id=f"{prefix}{place.ids + start + len(piece)}")


async def _piece(boards: Boards, run_id: UUID, start: int, size: int, most: int) -> bytes:
    end = min(((start + _CUT_BYTES) // most + 1) * most, size)
    key = ("log", run_id, start, end)
    return await boards.reads.get(key, len, _read, boards.reader, run_id, start, end)


def _read(reader: LogReader, run_id: UUID, start: int, end: int) -> bytes:
    return b"".join(reader.read(run_id, start, end))
