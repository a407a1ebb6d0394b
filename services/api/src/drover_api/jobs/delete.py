"""Deleting a finished job with everything it left."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from drover_shared.db.models import Job, JobRun
from drover_shared.db.project_syncs import settle
from drover_shared.db.removal import log_objects, remove_jobs, runs_of, with_slices
from drover_shared.domain.errors import ConflictError
from drover_shared.domain.states import FINAL_JOB_STATUSES
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find
from drover_api.access.roles import ADMIN
from drover_api.activity import record
from drover_api.jobs.progress import outputs_of

ARRIVAL = timedelta(minutes=5)  # how long output that was promised may still be on its way

DeleteObjects = Callable[[Sequence[str]], None]


def delete(session: Session, principal: Principal, job_id: int, delete_objects: DeleteObjects) -> None:
    """Delete a finished job: log objects first, then rows, so that a failure in between can be repeated.

    Its slices go with it. Raises ConflictError while the job is live, or while promised output still arrives,
    and for a slice, without which its job would not be whole.
    """
    job: Job = find(session, Job, principal, ADMIN, job_id, lock=True)
    if job.sliced_job_id is not None:
        raise ConflictError(f"The job is a slice of job {job.sliced_job_id}: delete that one.")
    if job.status not in FINAL_JOB_STATUSES:
        raise ConflictError(f"The job is {job.status}: cancel it first.")
    settle(session, job_id)
    connection = session.connection()
    job_ids = with_slices(connection, [job_id])
    run_ids = runs_of(connection, job_ids)
    _refuse_while_arriving(session, run_ids)
    delete_objects(log_objects(connection, run_ids))
    remove_jobs(connection, job_ids, run_ids)
    record(
        session,
        principal,
        "delete",
        "job",
        job_id,
        organization_id=job.organization_id,
        changes={"name": [job.name, None], "status": [job.status, None]},
    )


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
