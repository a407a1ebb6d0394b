"""Making attempts: the first of a job, and those that follow one that did not end well.

Lock order, here and everywhere: the job's row before its runs' rows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from drover_shared.db.models import Job, JobRun
from drover_shared.db.transitions import Executes, move_job
from drover_shared.domain.retries import LAUNCH, RetryOn, RetryPolicy
from drover_shared.domain.states import JobStatus, RunState
from drover_shared.ids import IdSource

_FIRST = insert(JobRun).values(
    id=bindparam("run_id"),
    job_id=bindparam("of_job"),
    pool=bindparam("its_pool"),
    attempt_number=1,
    cause=LAUNCH,
    rung_at=func.now(),
)
_ENDED = (
    select(
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
    )
    .join(Job, Job.id == JobRun.job_id)
    .where(JobRun.id == bindparam("ended"))
)


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run that executors of `pool` should hear of."""

    id: UUID
    pool: str
    job_id: int
    traceparent: str | None = None


def add_first_run(db: Connection, job_id: int, pool: str, new_id: IdSource) -> WaitingRun:
    """Insert a job's first attempt. It counts as rung, for whoever makes it rings right after the commit."""
    run = WaitingRun(new_id(), pool, job_id)
    db.execute(_FIRST, {"run_id": run.id, "of_job": job_id, "its_pool": pool})
    return run


def add_next_run(
    db: Executes,
    ended: UUID,
    end: RetryOn | None,
    reason: str,
    new_id: IdSource,
    lease_over: ColumnElement[datetime | None] | None = None,
) -> WaitingRun | None:
    """Make the attempt after `ended`, a job's current run that has just ended so; its job waits again.

    None where the job's policy wants none: the job is the caller's to end then. The job's row must be locked.
    `lease_over`: when the lease of the ended attempt is over, with its grace, where processes of it may still
    live. The database's clock may be set before then, so the new attempt waits until `release_after_leases`.
    Nobody has rung for it: the scheduler does when it may be claimed.
    """
    if end is None:
        return None
    found = db.execute(_ENDED, {"ended": ended}).one()
    policy = RetryPolicy(found.max_attempts, found.retry_on, found.retry_hosts, found.retry_wait_seconds)
    wait = policy.wait_before_next(found.attempt_number, end)
    if wait is None or found.cancel_requested or found.current_run_id != ended:
        return None
    following = WaitingRun(new_id(), found.executor_pool, found.job_id)
    _insert(
        db,
        following,
        attempt_number=found.attempt_number + 1,
        cause=reason,
        limit=found.limit,
        awaits_hosts=policy.narrows(end),
        awaits_lease=lease_over is not None,
        available_at=_available_at(wait, lease_over),
    )
    _queue_again(db, following.job_id, following.id)
    return following


def is_available() -> ColumnElement[bool]:
    """Whether a pending run may be claimed.

    Its wait is over, it is known which hosts it is for, and nothing lives of the attempt before it.
    """
    return and_(
        JobRun.awaits_hosts.is_(False),
        JobRun.awaits_lease.is_(False),
        or_(JobRun.available_at.is_(None), JobRun.available_at <= func.now()),
    )


def release_after_leases(db: Executes, ended_before: datetime) -> None:
    """Let attempts be claimed that waited for a lease which ended before that moment: `LeaseTime` judges."""
    db.execute(_release(), {"ended_before": ended_before})


@cache
def _release() -> Update:
    before = aliased(JobRun)
    over = select(before.id).where(
        before.job_id == JobRun.job_id,
        before.attempt_number == JobRun.attempt_number - 1,
        before.lease_expires_at >= bindparam("ended_before"),
    )
    return (
        update(JobRun)
        .where(JobRun.state == RunState.PENDING, JobRun.awaits_lease, ~over.exists())
        .values(awaits_lease=False)
        .execution_options(synchronize_session=False)
    )


def _insert(db: Executes, run: WaitingRun, **values: object) -> None:
    db.execute(insert(JobRun).values(id=run.id, job_id=run.job_id, pool=run.pool, **values))


def _available_at(
    wait_seconds: int, lease_over: ColumnElement[datetime | None] | None
) -> ColumnElement[Any] | None:
    if not wait_seconds:
        return lease_over
    waited: ColumnElement[Any] = func.now() + timedelta(seconds=wait_seconds)
    return waited if lease_over is None else func.greatest(waited, lease_over)


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
