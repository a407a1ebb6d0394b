"""A run's log as one stream of bytes, read piece by piece from its chunks or its archive."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from drover_shared.db.models import LogArchive, LogChunkRow, RunLogProgress
from drover_shared.objects import ObjectStore
from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from drover_api.jobs.progress import contiguous_end
from drover_api.output.lines import Lines, cut_lines, part_of
from drover_api.output.log_pieces import ChunkPiece, PartGroup, chunk_piece, part_groups

AHEAD = 8  # pieces that are fetched before they are needed, for each reader,
AHEAD_BYTES = 8 * 1024 * 1024  # and how much they may hold
_ROWS = 500
_FETCHERS = 16

Sessions = Callable[[], Session]


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a run's log can be read without a gap: chunks before `chunks`, bytes before `size`."""

    chunks: int
    size: int


def extents(session: Session, run_ids: Sequence[UUID]) -> dict[UUID, Extent]:
    """The contiguous beginnings of logs; what lies behind a gap waits until the gap is filled.

    A run of which nothing is stored is left out.
    """
    known = (
        select(RunLogProgress.job_run_id, contiguous_end(RunLogProgress, 0).label("chunks"))
        .where(RunLogProgress.job_run_id.in_(run_ids))
        .subquery()
    )
    rows = session.execute(
        select(known.c.job_run_id, known.c.chunks, LogChunkRow.byte_offset + LogChunkRow.byte_length).join(
            LogChunkRow,
            and_(LogChunkRow.job_run_id == known.c.job_run_id, LogChunkRow.seq == known.c.chunks - 1),
        )
    )
    return {run_id: Extent(int(chunks), int(size)) for run_id, chunks, size in rows}


def extent(session: Session, run_id: UUID) -> Extent:
    """The contiguous beginning of one log; empty where nothing is stored."""
    return extents(session, [run_id]).get(run_id, Extent(0, 0))


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
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        ahead = 0
        try:
            for piece in self._pieces(run_id, start, end):
                waiting.append((piece.size, self._fetchers.submit(piece.fetch, self._store)))
                ahead += piece.size
                while len(waiting) > AHEAD or (ahead > AHEAD_BYTES and len(waiting) > 1):
                    size, fetching = waiting.popleft()
                    ahead -= size
                    yield fetching.result()
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            for _, future in waiting:
                future.cancel()

    def read_lines(self, run_id: UUID, size: int, wanted: Lines) -> Iterator[bytes]:
        """Lines of the log's first `size` bytes; an archive that counted its lines is read only there."""
        with self._sessions() as session:
            archive = session.scalar(_archive_of(run_id))
        if archive is None or not archive.part_lines:
            return cut_lines(self.read(run_id, 0, size), wanted)
        part, before = part_of(wanted.start, archive.part_lines)
        rest = Lines(wanted.start - before, None if wanted.end is None else wanted.end - before)
        return cut_lines(self.read(run_id, part * archive.member_bytes, size), rest)

    def read_parts(self, parts: Sequence[tuple[UUID, int]], start: int, end: int) -> Iterator[bytes]:
        """Bytes `start` up to `end` of several runs' logs, (run, size) one after the other."""
        for run_id, size in parts:
            if start < size and end > 0:
                yield from self.read(run_id, max(start, 0), min(end, size))
            start, end = start - size, end - size

    def _pieces(self, run_id: UUID, start: int, end: int) -> Iterator[ChunkPiece | PartGroup]:
        """A log that is archived meanwhile is read on in its archive."""
        seq = -1
        while True:
            rows, archive = self._rows(run_id, seq, start, end)
            if archive is not None:
                yield from part_groups(archive, start, end)
                return
            for row in rows:
                yield chunk_piece(row, start, end)
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
            return rows, session.scalar(_archive_of(run_id))


def _archive_of(run_id: UUID) -> Select[LogArchive]:
    return select(LogArchive).where(LogArchive.job_run_id == run_id, LogArchive.ready_at.is_not(None))
