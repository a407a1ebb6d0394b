"""A run's log as one stream of bytes, read chunk by chunk from the object store."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from drover_shared.db.models import LogChunkRow, RunLogProgress
from drover_shared.objects import ObjectStore
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.jobs.progress import contiguous_end

AHEAD = 4  # chunks that are fetched before they are needed, for each reader
_ROWS = 500
_FETCHERS = 16

Sessions = Callable[[], Session]


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a run's log can be read without a gap: chunks before `chunks`, bytes before `size`."""

    chunks: int
    size: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an object: bytes `start` up to, not including, `end`."""

    key: str
    start: int
    end: int


def extent(session: Session, run_id: UUID) -> Extent:
    """The contiguous beginning of the log; what lies behind a gap waits until the gap is filled."""
    chunks = session.scalar(
        select(contiguous_end(RunLogProgress, 0)).where(RunLogProgress.job_run_id == run_id)
    )
    if not chunks:
        return Extent(0, 0)
    size = session.scalar(
        select(LogChunkRow.byte_offset + LogChunkRow.byte_length).where(
            LogChunkRow.job_run_id == run_id, LogChunkRow.seq == chunks - 1
        )
    )
    return Extent(int(chunks), size or 0)


class LogReader:
    """Reads any range of logs; one for a process, safe for many threads."""

    def __init__(self, sessions: Sessions, store: ObjectStore) -> None:
        self._sessions = sessions
        self._store = store
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="log-fetch")

    def read(self, run_id: UUID, start: int, end: int) -> Iterator[bytes]:
        """Bytes `start` up to `end` (at most the extent's size), with a few chunks in memory at a time.

        Raises ObjectMissingError and InfrastructureError; no database connection is held between chunks.
        """
        waiting: deque[Future[bytes]] = deque()
        try:
            for piece in self._pieces(run_id, start, end):
                waiting.append(self._fetchers.submit(self._fetch, piece))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _fetch(self, piece: Piece) -> bytes:
        return self._store.get(piece.key, piece.start, piece.end)

    def _pieces(self, run_id: UUID, start: int, end: int) -> Iterator[Piece]:
        seq = -1
        while rows := self._rows(run_id, seq, start, end):
            for row in rows:
                first, last = row.byte_offset, row.byte_offset + row.byte_length
                yield Piece(row.storage_key, max(start, first) - first, min(end, last) - first)
            seq = rows[-1].seq

    def _rows(self, run_id: UUID, after: int, start: int, end: int) -> Sequence[LogChunkRow]:
        with self._sessions() as session:
            return session.scalars(
                select(LogChunkRow)
                .where(
                    LogChunkRow.job_run_id == run_id,
                    LogChunkRow.seq > after,
                    LogChunkRow.byte_offset < end,
                    LogChunkRow.byte_offset + LogChunkRow.byte_length > start,
                    LogChunkRow.byte_length > 0,
                )
                .order_by(LogChunkRow.seq)
                .limit(_ROWS)
            ).all()
