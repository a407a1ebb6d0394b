"""Why a job waits, and how many are before it."""

from datetime import timedelta
from typing import Any

from drover_shared.db.attempts import is_available
from drover_shared.db.models import Executor, ExecutorPool, Inventory, Job, JobRun, JobTemplate
from drover_shared.domain.states import JobStatus, RunState
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from drover_api.jobs.slices import is_split

ALIVE = timedelta(seconds=30)  # an executor that said nothing for longer is not counted on
_BUSY = (RunState.STARTING, RunState.RUNNING)
_COUNTED = Job.sliced_job_id.is_(None)  # a job counts once towards a limit, however many slices it has
_LIVES = Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))

Reason = dict[str, Any]


def just_accepted() -> Reason:
    """Of a job in the answer to its own launch: nobody looked at it yet."""
    return _reason("scheduling", "The scheduler has not looked at this job yet.")


def pending_reason(session: Session, job: Job) -> Reason | None:
    """`{code, detail, queue_position}` of a job that waits, None for one that does not.

    Codes: `project_syncing`, `template_busy`, `inventory_busy`, `scheduling` (no attempt exists);
    `preparing`, `retry_wait`, `waiting_for_executor` (one does); `pool_draining`, `no_executor`,
    `executors_busy` (either way). The position is among the waiting of the same pool by priority and age;
    another organization's share may change it.
    """
    if job.status == JobStatus.PENDING and job.waits_for_job_id is not None:
        detail = f"Job {job.waits_for_job_id} syncs its project; the job goes on when that has ended."
        return _reason("project_syncing", detail)
    if job.status == JobStatus.PENDING:
        return _before_an_attempt(session, job)
    if job.status == JobStatus.QUEUED and job.current_run_id is not None:
        run = session.get(JobRun, job.current_run_id)
        return None if run is None else _of_attempt(session, job, run)
    return _of_slices(session, job)


def _of_slices(session: Session, job: Job) -> Reason | None:
    """Of a job that was split and whose slices all wait: what the first of them waits for."""
    if job.status != JobStatus.QUEUED or not is_split(job):
        return None
    first = session.scalars(
        select(Job)
        .where(Job.sliced_job_id == job.id, Job.status.in_((JobStatus.PENDING, JobStatus.QUEUED)))
        .order_by(Job.slice_number)
        .limit(1)
    ).first()
    return None if first is None else pending_reason(session, first)


def _before_an_attempt(session: Session, job: Job) -> Reason:
    ahead = _or_earlier(job, Job.status == JobStatus.PENDING, Job.executor_pool == job.executor_pool)
    position = _count(session, ahead) + 1
    return (
        (None if job.sliced_job_id else _template_busy(session, job, position))
        or (None if job.sliced_job_id else _inventory_busy(session, job, position))
        or _pool_busy(session, job.executor_pool, position)
        or _reason("scheduling", "The scheduler has not made an attempt yet.", position)
    )


def _template_busy(session: Session, job: Job, position: int) -> Reason | None:
    if job.job_template_id is None:
        return None
    same = and_(Job.job_template_id == job.job_template_id, _COUNTED)
    if job.allow_simultaneous:
        limit = session.scalar(
            select(JobTemplate.max_simultaneous).where(JobTemplate.id == job.job_template_id)
        )
        detail = f"{limit} jobs of the same template are at work, as many as it allows."
        full = limit and _count(session, and_(same, _LIVES)) >= limit
        return _reason("template_busy", detail, position) if full else None
    waits_before = _or_earlier(job, Job.status == JobStatus.PENDING)
    other = session.scalars(
        select(Job.id)
        .where(same, or_(_LIVES, waits_before))
        .order_by(_LIVES.desc(), Job.priority.desc(), Job.id)
        .limit(1)
    ).first()
    detail = f"Job {other} of the same template has not ended, and it runs one job at a time."
    return None if other is None else _reason("template_busy", detail, position)


def _inventory_busy(session: Session, job: Job, position: int) -> Reason | None:
    limit = session.scalar(select(Inventory.max_simultaneous).where(Inventory.id == job.inventory_id))
    if not limit or _count(session, and_(Job.inventory_id == job.inventory_id, _COUNTED, _LIVES)) < limit:
        return None
    detail = f"{limit} jobs of the same inventory are at work, as many as it allows."
    return _reason("inventory_busy", detail, position)


def _of_attempt(session: Session, job: Job, run: JobRun) -> Reason:
    if run.state != RunState.PENDING:
        return _reason("preparing", "An executor has taken the job and prepares its project.")
    if not session.scalar(select(is_available()).where(JobRun.id == run.id)):
        detail = f"Attempt {run.attempt_number} waits, because the one before it ended: {run.cause}."
        return _reason("retry_wait", detail)
    pool = run.pool
    waiting = and_(
        Job.status == JobStatus.QUEUED, JobRun.id == Job.current_run_id, JobRun.state == RunState.PENDING
    )
    position = _count(session, _or_earlier(job, waiting, JobRun.pool == pool), JobRun) + 1
    detail = f"An executor of the pool {pool!r} will take it."
    return _pool_busy(session, pool, position) or _reason("waiting_for_executor", detail, position)


def _pool_busy(session: Session, pool: str, position: int) -> Reason | None:
    if session.scalar(select(ExecutorPool.draining).where(ExecutorPool.name == pool)):
        return _reason("pool_draining", f"The pool {pool!r} drains: none of its jobs are begun.", position)
    slots, busy = _capacity(session, pool)
    if slots == 0:
        return _reason("no_executor", f"No executor of the pool {pool!r} is there.", position)
    if busy >= slots:
        return _reason("executors_busy", f"All {slots} slots of the pool {pool!r} are taken.", position)
    return None


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
