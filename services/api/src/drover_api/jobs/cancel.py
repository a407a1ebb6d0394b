"""Canceling a job."""

from drover_shared.db.models import Job, JobRun
from drover_shared.db.project_syncs import settle
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.errors import ConflictError
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.states import FINAL_JOB_STATUSES, JobStatus, RunState
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find
from drover_api.access.roles import EXECUTE
from drover_api.activity import record


def cancel(session: Session, principal: Principal, job_id: int) -> Job:
    """End a waiting job at once, or ask the executor of a running one to end it; a repeat changes nothing.

    The job's row is locked first, so that a claim, a start and a finish at the same moment have one order.
    Raises ConflictError on a job that ended otherwise.
    """
    job: Job = find(session, Job, principal, EXECUTE, job_id, lock=True)
    if job.status == JobStatus.CANCELED:
        return job
    if job.status in FINAL_JOB_STATUSES:
        raise ConflictError(f"The job has ended: it is {job.status}.")
    if not job.cancel_requested:
        _ask(session, job)
        record(session, principal, "cancel", "job", job.id, organization_id=job.organization_id)
    if _nobody_works_on(session, job):
        move_job(
            session,
            job.id,
            JobStatus.CANCELED,
            error_reason=Reason.CANCELED,
            error_detail=SENTENCES[Reason.CANCELED],
        )
        settle(session, job.id)
    session.refresh(job)
    return job


def _ask(session: Session, job: Job) -> None:
    session.execute(
        update(Job)
        .where(Job.id == job.id)
        .values(cancel_requested=True, cancel_requested_at=func.now())
        .execution_options(synchronize_session=False)
    )


def _nobody_works_on(session: Session, job: Job) -> bool:
    """No attempt exists, or it still waited and is canceled now; a claimed one is its executor's to end."""
    if job.status == JobStatus.PENDING:
        return True
    return (
        job.status == JobStatus.QUEUED
        and job.current_run_id is not None
        and move_run(
            session,
            job.current_run_id,
            RunState.CANCELED,
            JobRun.state == RunState.PENDING,
            error_reason=Reason.CANCELED,
        )
    )
