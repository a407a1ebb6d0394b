"""What is known of a log before any byte of it is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from drover_shared.db.models import JobRun, LogArchive, LogChunkRow
from drover_shared.domain.states import FINAL_JOB_STATUSES
from drover_shared.parts import TAIL_BYTES
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.jobs.slices import Slice
from drover_api.output.log import extent
from drover_api.output.runs import OutputOf
from drover_api.output.status import run_statuses


@dataclass(frozen=True, slots=True)
class WholeObject:
    """One object with the whole log, as it is or with a content `encoding`; `size` is the object's own."""

    key: str
    size: int
    encoding: str


@dataclass(frozen=True, slots=True)
class KnownLog:
    """`size` bytes can be read, from `parts`: (run, how many of its log) one after the other.

    Once the log is complete, `version` names its content and nothing else, and of a single run `sha256` is
    its bytes' and `whole` where they lie.
    """

    parts: Sequence[tuple[UUID, int]] = ()
    version: str | None = None
    sha256: str | None = None
    whole: WholeObject | None = None

    @property
    def size(self) -> int:
        return sum(size for _, size in self.parts)


def known_log_of(session: Session, output: OutputOf) -> KnownLog:
    """Of a run, or of a job's slices; an empty one where nothing is put out yet."""
    if output.slices is not None:
        return _joined(session, output.slices)
    return KnownLog() if output.run_id is None else known_log(session, output.run_id)


def _joined(session: Session, slices: Sequence[Slice]) -> KnownLog:
    """The logs of the slices in their order, up to the first that grows: what follows has no place yet."""
    runs = [one.run_id for one in slices if one.run_id is not None]
    statuses = run_statuses(session, runs)
    parts: list[tuple[UUID, int]] = []
    complete = bool(slices)
    for one in slices:
        status = None if one.run_id is None else statuses.get(one.run_id)
        if status is not None and status.log_size:
            parts.append((status.run_id, status.log_size))
        over = one.status in FINAL_JOB_STATUSES and (status is None or status.log_over)
        complete = complete and over and (status is None or status.log_complete)
        if not over:
            break
    digests = _digests(session, [run for run, _ in parts]) if complete and parts else None
    return KnownLog(parts, digests)


def _digests(session: Session, runs: Sequence[UUID]) -> str:
    """One digest of those of several runs, in this order."""
    rows = session.execute(select(JobRun.id, JobRun.final_log_sha256).where(JobRun.id.in_(runs)))
    known = {row.id: row.final_log_sha256 or "" for row in rows}
    return sha256(" ".join(known.get(run, "") for run in runs).encode()).hexdigest()


def known_log(session: Session, run_id: UUID) -> KnownLog:
    """Of a run that has put out nothing yet: an empty one."""
    known = extent(session, run_id)
    parts = [(run_id, known.size)] if known.size else []
    promised = session.execute(
        select(JobRun.final_log_sha256, JobRun.final_log_bytes, JobRun.final_log_chunks).where(
            JobRun.id == run_id
        )
    ).one_or_none()
    if promised is None or promised.final_log_bytes != known.size or not known.size:
        return KnownLog(parts)
    digest = promised.final_log_sha256
    return KnownLog(parts, digest, digest, _whole(session, run_id, promised.final_log_chunks))


def _whole(session: Session, run_id: UUID, chunks: int) -> WholeObject | None:
    last_end = LogArchive.member_ends[func.cardinality(LogArchive.member_ends)]
    archive = session.execute(
        select(
            LogArchive.storage_key,
            last_end.label("end"),
            func.cardinality(LogArchive.part_crcs).label("parts"),
        ).where(LogArchive.job_run_id == run_id, LogArchive.ready_at.is_not(None))
    ).one_or_none()
    if archive is not None:
        # clients read no more than the first member of an archive that is made of members
        whole = WholeObject(archive.storage_key, archive.end + TAIL_BYTES, "gzip")
        return whole if archive.parts else None
    if chunks != 1:
        return None
    only = session.get(LogChunkRow, (run_id, 0))
    return None if only is None else WholeObject(only.storage_key, only.byte_length, "")
