"""A run's log as one stream of bytes, read piece by piece from its chunks or its archive."""

import gzip
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from drover_shared.db.models import LogArchive, LogChunkRow, RunLogProgress
from drover_shared.objects import ObjectStore
from sqlalchemy import select
from sqlalchemy.orm import Session

from drover_api.jobs.progress import contiguous_end

AHEAD = 4  # pieces that are fetched before they are needed, for each reader
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

    def fetch(self, store: ObjectStore) -> bytes:
        return store.get(self.key, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Member:
    """Part of an archive: `start` to `end` of the object are a gzip member, of which `first` to `last`."""

    key: str
    start: int
    end: int
    first: int
    last: int

    def fetch(self, store: ObjectStore) -> bytes:
        return gzip.decompress(store.get(self.key, self.start, self.end))[self.first : self.last]


def members(archive: LogArchive, start: int, end: int) -> Iterator[Member]:
    """What of an archive holds bytes `start` up to `end` of the log."""
    size = archive.member_bytes
    for number in range(start // size, min(-(-end // size), len(archive.member_ends))):
        low = archive.member_ends[number - 1] if number else 0
        offset = number * size
        yield Member(
            archive.storage_key,
            low,
            archive.member_ends[number],
            max(start - offset, 0),
            min(end - offset, size),
        )


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
        """Bytes `start` up to `end` (at most the extent's size), with a few pieces in memory at a time.

        Raises ObjectMissingError and InfrastructureError; no database connection is held between pieces.
        """
        waiting: deque[Future[bytes]] = deque()
        try:
            for piece in self._pieces(run_id, start, end):
                waiting.append(self._fetchers.submit(piece.fetch, self._store))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _pieces(self, run_id: UUID, start: int, end: int) -> Iterator[Piece | Member]:
        """A log that is archived meanwhile is read on in its archive."""
        seq = -1
        while True:
            rows, archive = self._rows(run_id, seq, start, end)
            if archive is not None:
                yield from members(archive, start, end)
                return
            for row in rows:
                first, last = row.byte_offset, row.byte_offset + row.byte_length
                yield Piece(row.storage_key, max(start, first) - first, min(end, last) - first)
            if not rows:
                return
            seq, start = rows[-1].seq, rows[-1].byte_offset + rows[-1].byte_length

    def _rows(
        self, run_id: UUID, after: int, start: int, end: int
    ) -> tuple[Sequence[LogChunkRow], LogArchive | None]:
        """The next chunks, and the archive. In this order: chunks that lie in it are not without it."""
        with self._sessions() as session:
            rows = session.scalars(
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
            return rows, session.scalar(
                select(LogArchive).where(LogArchive.job_run_id == run_id, LogArchive.ready_at.is_not(None))
            )
