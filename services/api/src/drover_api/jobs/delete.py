"""Deleting a finished job with everything it left."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from drover_shared.db.models import (
    DeadLetter,
    Job,
    JobEvent,
    JobHostSummary,
    JobRun,
    LogArchive,
    LogChunkRow,
    RunEventProgress,
    RunLogProgress,
)
from drover_shared.db.project_syncs import settle
from drover_shared.domain.errors import ConflictError
from drover_shared.domain.states import FINAL_JOB_STATUSES
from drover_shared.objects import chunk_key
from sqlalchemy import delete as sql_delete
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find
from drover_api.access.roles import ADMIN
from drover_api.activity import record
from drover_api.jobs.progress import outputs_of

ARRIVAL = timedelta(minutes=5)  # how long output that was promised may still be on its way
_OUTPUT: tuple[Any, ...] = (
    JobEvent,
    JobHostSummary,
    RunEventProgress,
    RunLogProgress,
    LogChunkRow,
    LogArchive,
    DeadLetter,
)

DeleteObjects = Callable[[Sequence[str]], None]


def delete(session: Session, principal: Principal, job_id: int, delete_objects: DeleteObjects) -> None:
    """Delete a finished job: log objects first, then rows, so that a failure in between can be repeated.

    Raises ConflictError while the job is live, or while promised output still arrives.
    """
    job: Job = find(session, Job, principal, ADMIN, job_id, lock=True)
    if job.status not in FINAL_JOB_STATUSES:
        raise ConflictError(f"The job is {job.status}: cancel it first.")
    settle(session, job_id)
    run_ids = list(session.scalars(select(JobRun.id).where(JobRun.job_id == job_id)))
    _refuse_while_arriving(session, run_ids)
    delete_objects(_log_objects(session, run_ids))
    for table in _OUTPUT:
        session.execute(sql_delete(table).where(table.job_run_id.in_(run_ids)), execution_options=_PLAIN)
    session.execute(sql_delete(Job).where(Job.id == job_id), execution_options=_PLAIN)
    record(
        session,
        principal,
        "delete",
        "job",
        job_id,
        organization_id=job.organization_id,
        changes={"name": [job.name, None], "status": [job.status, None]},
    )


_PLAIN = {"synchronize_session": False}


def _log_objects(session: Session, run_ids: list[UUID]) -> list[str]:
    """Chunks, also those that an archive has taken the place of, and archives."""
    chunks = select(LogChunkRow.job_run_id, LogChunkRow.seq).where(LogChunkRow.job_run_id.in_(run_ids))
    archives = select(LogArchive.storage_key).where(LogArchive.job_run_id.in_(run_ids))
    return [*(chunk_key(run, seq) for run, seq in session.execute(chunks)), *session.scalars(archives)]


def _refuse_while_arriving(session: Session, run_ids: list[UUID]) -> None:
    recent = session.scalars(
        select(JobRun.id).where(
            JobRun.id.in_(run_ids),
            JobRun.final_event_seq.is_not(None),
            JobRun.finished_at > func.now() - ARRIVAL,
        )
    ).all()
    for output in outputs_of(session, recent).values():
        if not (output.events_complete and output.log_complete):
            raise ConflictError("The job's output still arrives: try again in a moment.")
