"""What is known of a run's log before any byte of it is read."""

from dataclasses import dataclass
from uuid import UUID

from drover_shared.db.models import JobRun, LogArchive, LogChunkRow
from drover_shared.parts import TAIL_BYTES
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.output.log import extent


@dataclass(frozen=True, slots=True)
class WholeObject:
    """One object with the whole log, as it is or with a content `encoding`; `size` is the object's own."""

    key: str
    size: int
    encoding: str


@dataclass(frozen=True, slots=True)
class KnownLog:
    """`size` bytes can be read; once the log is complete, `sha256` is theirs and `whole` where they lie."""

    size: int = 0
    sha256: str | None = None
    whole: WholeObject | None = None


def known_log(session: Session, run_id: UUID | None) -> KnownLog:
    """Of a run that has put out nothing yet, or of no run: an empty one."""
    if run_id is None:
        return KnownLog()
    known = extent(session, run_id)
    promised = session.execute(
        select(JobRun.final_log_sha256, JobRun.final_log_bytes, JobRun.final_log_chunks).where(
            JobRun.id == run_id
        )
    ).one_or_none()
    if promised is None or promised.final_log_bytes != known.size or not known.size:
        return KnownLog(known.size)
    return KnownLog(known.size, promised.final_log_sha256, _whole(session, run_id, promised.final_log_chunks))


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
