"""Making attempts: the first of a job, and those that follow one that did not end well.

Lock order, here and everywhere: the job's row before its runs' rows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import Executes, move_job
from drover_shared.domain.retries import LAUNCH, RetryOn, RetryPolicy
from drover_shared.domain.states import JobStatus
from drover_shared.ids import IdSource

_ENDED = select(
    JobRun.job_id,
    JobRun.attempt_number,
    JobRun.limit,
    Job.current_run_id,
    Job.cancel_requested,
    Job.executor_pool,
    Job.max_attempts,
    Job.retry_on,
    Job.retry_hosts,
    Job.retry_wait_seconds,
).join(Job, Job.id == JobRun.job_id)


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run that executors of `pool` should hear of."""

    id: UUID
    pool: str
    job_id: int
    traceparent: str | None = None


def add_first_run(db: Executes, job_id: int, pool: str, new_id: IdSource) -> WaitingRun:
    """Insert a job's first attempt. It counts as rung, for whoever makes it rings right after the commit."""
    run = WaitingRun(new_id(), pool, job_id)
    _insert(db, run, attempt_number=1, cause=LAUNCH, rung_at=func.now())
    return run


def add_next_run(
    db: Executes,
    ended: UUID,
    end: RetryOn | None,
    reason: str,
    new_id: IdSource,
    not_before: ColumnElement[datetime | None] | None = None,
) -> WaitingRun | None:
    """Make the attempt after `ended`, a job's current run that has just ended so; its job waits again.

    None where the job's policy wants none: the job is the caller's to end then. The job's row must be locked.
    `not_before`: when processes of the ended attempt are certainly dead, where they may not be yet.
    Nobody has rung for it: the scheduler does when it may be claimed.
    """
    found = db.execute(_ENDED.where(JobRun.id == ended)).one()
    policy = RetryPolicy(found.max_attempts, found.retry_on, found.retry_hosts, found.retry_wait_seconds)
    wait = policy.wait_before_next(found.attempt_number, end)
    if wait is None or end is None or found.cancel_requested or found.current_run_id != ended:
        return None
    following = WaitingRun(new_id(), found.executor_pool, found.job_id)
    _insert(
        db,
        following,
        attempt_number=found.attempt_number + 1,
        cause=reason,
        limit=found.limit,
        awaits_hosts=policy.narrows(end),
        available_at=_available_at(wait, not_before),
    )
    _queue_again(db, following.job_id, following.id)
    return following


def is_available() -> ColumnElement[bool]:
    """Whether a pending run may be claimed: its wait is over, and it is known which hosts it is for."""
    return and_(
        JobRun.awaits_hosts.is_(False), or_(JobRun.available_at.is_(None), JobRun.available_at <= func.now())
    )


def _insert(db: Executes, run: WaitingRun, **values: object) -> None:
    db.execute(insert(JobRun).values(id=run.id, job_id=run.job_id, pool=run.pool, **values))


def _available_at(
    wait_seconds: int, not_before: ColumnElement[datetime | None] | None
) -> ColumnElement[Any] | None:
    if not wait_seconds:
        return not_before
    waited: ColumnElement[Any] = func.now() + timedelta(seconds=wait_seconds)
    return waited if not_before is None else func.greatest(waited, not_before)


def _queue_again(db: Executes, job_id: int, run_id: UUID) -> None:
    """Back to `queued` with a new run; a job whose ended attempt never started is there already."""
    if move_job(db, job_id, JobStatus.QUEUED, current_run_id=run_id):
        return
    db.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == JobStatus.QUEUED)
        .values(current_run_id=run_id)
        .execution_options(synchronize_session=False)
    )
