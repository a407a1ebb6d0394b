"""Canceling a job."""

from drover_shared.db.models import Job, JobRun
from drover_shared.db.project_syncs import settle
from drover_shared.db.slices import follow
from drover_shared.db.transitions import move_job, move_run
from drover_shared.domain.errors import ConflictError
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.states import FINAL_JOB_STATUSES, JobStatus, RunState
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from drover_api.access.principal import Principal
from drover_api.access.require import find
from drover_api.access.roles import EXECUTE
from drover_api.activity import record
from drover_api.jobs.slices import is_split


def cancel(session: Session, principal: Principal, job_id: int) -> tuple[Job, list[Job]]:
    """End a waiting job at once, or ask the executor of a running one to end it; a repeat changes nothing.

    Returns the job, and every job that was asked: itself, or its slices. It ends when they have.

    The job's row is locked first, so that a claim, a start and a finish at the same moment have one order.
    Raises ConflictError on a job that ended otherwise.
    """
    job: Job = find(session, Job, principal, EXECUTE, job_id, lock=True)
    if job.status == JobStatus.CANCELED:
        return job, []
    if job.status in FINAL_JOB_STATUSES:
        raise ConflictError(f"The job has ended: it is {job.status}.")
    if not job.cancel_requested:
        _ask(session, job)
        record(session, principal, "cancel", "job", job.id, organization_id=job.organization_id)
    asked = [job]
    if is_split(job) and job.status != JobStatus.PENDING:
        asked = _slices(session, job)
        for one in asked:
            _ask(session, one)
            _end_if_waiting(session, one)
        follow(session, job.id)
    else:
        _end_if_waiting(session, job)
        settle(session, job.id)
    ids = [job.id, *(one.id for one in asked)]
    session.scalars(select(Job).where(Job.id.in_(ids)), execution_options={"populate_existing": True}).all()
    return job, asked


def _slices(session: Session, job: Job) -> list[Job]:
    """The slices that have not ended, locked in their order; a split holds the job's own lock, as we do."""
    live = select(Job).where(Job.sliced_job_id == job.id, Job.status.not_in(FINAL_JOB_STATUSES))
    locked = live.order_by(Job.slice_number).with_for_update().execution_options(populate_existing=True)
    return list(session.scalars(locked))


def _end_if_waiting(session: Session, job: Job) -> None:
    if _nobody_works_on(session, job):
        told = {"error_reason": Reason.CANCELED, "error_detail": SENTENCES[Reason.CANCELED]}
        move_job(session, job.id, JobStatus.CANCELED, **told)


def _ask(session: Session, job: Job) -> None:
    session.execute(
        update(Job)
        .where(Job.id == job.id, Job.cancel_requested.is_(False))
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
