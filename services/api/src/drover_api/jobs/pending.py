"""Why a job waits, and how many are before it."""

from datetime import timedelta
from typing import Any

from drover_shared.db.models import Executor, Job, JobRun
from drover_shared.domain.states import JobStatus, RunState
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

ALIVE = timedelta(seconds=30)  # an executor that said nothing for longer is not counted on
_BUSY = (RunState.STARTING, RunState.RUNNING)

Reason = dict[str, Any]


def just_accepted() -> Reason:
    """Of a job in the answer to its own launch: nobody looked at it yet."""
    return _reason("scheduling", "The scheduler has not looked at this job yet.")


def pending_reason(session: Session, job: Job) -> Reason | None:
    """`{code, detail, queue_position}` of a job that waits, None for one that does not.

    Codes: `template_busy`, `scheduling` (no attempt exists); `preparing`, `no_executor`, `executors_busy`,
    `waiting_for_executor` (one does). The position is among the waiting of the same pool; 1 is next.
    """
    if job.status == JobStatus.PENDING:
        return _before_an_attempt(session, job)
    if job.status == JobStatus.QUEUED and job.current_run_id is not None:
        run = session.get(JobRun, job.current_run_id)
        return None if run is None else _of_attempt(session, job, run)
    return None


def _before_an_attempt(session: Session, job: Job) -> Reason:
    ahead = _or_earlier(job, Job.status == JobStatus.PENDING, Job.executor_pool == job.executor_pool)
    position = _count(session, ahead) + 1
    if not job.allow_simultaneous and job.job_template_id is not None:
        lives = Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))
        waits_before = _or_earlier(job, Job.status == JobStatus.PENDING)
        other = session.scalars(
            select(Job.id)
            .where(Job.job_template_id == job.job_template_id, or_(lives, waits_before))
            .order_by(lives.desc(), Job.priority.desc(), Job.id)
            .limit(1)
        ).first()
        if other is not None:
            detail = f"Job {other} of the same template has not ended, and it runs one job at a time."
            return _reason("template_busy", detail, position)
    return _reason("scheduling", "The scheduler has not made an attempt yet.", position)


def _of_attempt(session: Session, job: Job, run: JobRun) -> Reason:
    if run.state != RunState.PENDING:
        return _reason("preparing", "An executor has taken the job and prepares its project.")
    pool = run.pool
    waiting = and_(
        Job.status == JobStatus.QUEUED, JobRun.id == Job.current_run_id, JobRun.state == RunState.PENDING
    )
    position = _count(session, _or_earlier(job, waiting, JobRun.pool == pool), JobRun) + 1
    slots, busy = _capacity(session, pool)
    if slots == 0:
        return _reason("no_executor", f"No executor of the pool {pool!r} is there.", position)
    if busy >= slots:
        detail = f"All {slots} slots of the pool {pool!r} are taken."
        return _reason("executors_busy", detail, position)
    return _reason("waiting_for_executor", f"An executor of the pool {pool!r} will take it.", position)


def _or_earlier(job: Job, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    first = or_(Job.priority > job.priority, and_(Job.priority == job.priority, Job.id < job.id))
    return and_(first, *conditions)


def _count(session: Session, condition: ColumnElement[bool], *others: type[JobRun]) -> int:
    query = select(func.count()).select_from(Job, *others).where(condition)
    return session.scalars(query).one()


def _capacity(session: Session, pool: str) -> tuple[int, int]:
    """The slots of the pool's living executors, and how many of them are taken."""
    living = and_(
        Executor.pools.contains([pool]),
        Executor.last_seen_at > func.now() - ALIVE,
        Executor.draining.is_(False),
    )
    slots = session.scalars(select(func.coalesce(func.sum(Executor.slots), 0)).where(living)).one()
    busy = session.scalars(
        select(func.count())
        .select_from(JobRun)
        .join(Executor, Executor.id == JobRun.executor_id)
        .where(JobRun.state.in_(_BUSY), living)
    ).one()
    return int(slots), busy


def _reason(code: str, detail: str, position: int | None = None) -> Reason:
    return {"code": code, "detail": detail, "queue_position": position}
